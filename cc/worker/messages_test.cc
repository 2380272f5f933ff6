// A worker that its model has overrun may say anything: what is no message is
// refused. The rest, process_test.cc shows of a worker.
#include "cc/worker/messages.h"

#include <cstdint>
#include <string>

#include "cc/worker/wire.h"
#include "gtest/gtest.h"

namespace worker {
namespace {

Ran Answer() {
  Ran ran;
  ran.results = {{absl::OkStatus(),
                  {{{1, 64, 8}, base::DataType::kInt64, {1}, {{0, 1}}}},
                  7}};
  ran.segments = {4096};
  return ran;
}

TEST(Messages, AreReadAsTheyWereWritten) {
  Ran ran;
  ASSERT_TRUE(Decode(Encode(Answer()), &ran));
  EXPECT_EQ(Encode(ran), Encode(Answer()));
}

TEST(Messages, AreRefusedWhereverTheyAreCut) {
  const std::string whole = Encode(Answer());
  Ran ran;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Decode(absl::string_view(whole).substr(0, size), &ran))
        << size;
  }
}

TEST(Messages, AreRefusedWhereTheyPromiseMoreThanTheyHave) {
  // Times eight, each is less than the bytes that follow, or a little more.
  for (const int64_t count :
       {int64_t{1} << 61, int64_t{1} << 62, (int64_t{1} << 61) + 1, int64_t{3},
        int64_t{-1}, INT64_MIN}) {
    Writer writer;
    writer.Int(0);      // no error
    writer.String("");  // in no words
    writer.Int(count);  // results
    writer.Int(0);
    writer.Int(0);
    Ran ran;
    EXPECT_FALSE(Decode(writer.bytes(), &ran)) << count;
  }
}

}  // namespace
}  // namespace worker
