#include "cc/base/wire.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace wire {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// In parts of `size` bytes, as a socket may have brought it.
absl::Cord InParts(const std::string& bytes, size_t size) {
  absl::Cord cord;
  for (size_t at = 0; at < bytes.size(); at += size) {
    auto* part = new std::string(bytes.substr(at, size));
    cord.Append(absl::MakeCordFromExternal(*part, [part] { delete part; }));
  }
  return cord;
}

struct Field {
  uint32_t number;
  uint64_t value;
  bool operator==(const Field& other) const {
    return number == other.number && value == other.value;
  }
};

TEST(ReaderTest, ReadsWhatWasWrittenInPartsOfAnySize) {
  std::string bytes;
  Writer writer(&bytes);
  writer.Varint(1, 1);
  writer.Varint(2, std::numeric_limits<uint64_t>::max());
  writer.Bytes(3, std::string(300, 'x'));
  writer.Varint(536870911, 300);
  writer.Message(4, "");
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const absl::Cord cord = InParts(bytes, size);
    Reader reader(cord);
    std::vector<Field> numbers;
    std::string text, empty = "?";
    while (reader.Next()) {
      if (reader.type() == Type::kVarint) {
        uint64_t value = 0;
        ASSERT_TRUE(reader.Read(&value));
        numbers.push_back({reader.number(), value});
      } else {
        ASSERT_TRUE(reader.Read(reader.number() == 3 ? &text : &empty));
      }
    }
    EXPECT_TRUE(reader.status().ok()) << reader.status();
    EXPECT_THAT(
        numbers,
        ElementsAre(Field{1, 1}, Field{2, std::numeric_limits<uint64_t>::max()},
                    Field{536870911, 300}));
    EXPECT_EQ(text, std::string(300, 'x'));
    EXPECT_EQ(empty, "");
  }
}

TEST(ReaderTest, PassesOverWhatNobodyReads) {
  const std::string bytes(
      "\x08\x96\x01"                          // 1: varint
      "\x11\x01\x02\x03\x04\x05\x06\x07\x08"  // 2: 64 bits
      "\x1a\x03zzz"                           // 3: bytes
      "\x25\x01\x02\x03\x04"                  // 4: 32 bits
      "\x28\x07",                             // 5: varint
      3 + 9 + 5 + 5 + 2);
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const absl::Cord cord = InParts(bytes, size);
    Reader reader(cord);
    uint64_t last = 0;
    while (reader.Next()) {
      if (reader.number() == 5) reader.Read(&last);
    }
    EXPECT_TRUE(reader.status().ok());
    EXPECT_EQ(last, 7u);
  }
}

TEST(ReaderTest, SharesBytesAndDoesNotCopyThem) {
  std::string bytes;
  Writer(&bytes).Bytes(7, std::string(4096, 'x'));
  const absl::Cord cord = InParts(bytes, bytes.size());
  Reader reader(cord);
  absl::Cord value;
  ASSERT_TRUE(reader.Next());
  ASSERT_TRUE(reader.Read(&value));
  const absl::string_view whole = *cord.TryFlat();
  EXPECT_EQ(value.TryFlat()->data(), whole.data() + whole.size() - 4096);
}

std::string ErrorOf(const std::string& bytes) {
  std::string first;
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const absl::Cord cord = InParts(bytes, size);
    Reader reader(cord);
    while (reader.Next()) {
      std::string text;
      if (reader.number() == 1) reader.Read(&text);
    }
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInvalidArgument);
    if (first.empty()) first = std::string(reader.status().message());
    EXPECT_EQ(reader.status().message(), first) << size;
  }
  return first;
}

TEST(ReaderTest, NamesWhatIsMalformed) {
  EXPECT_THAT(ErrorOf("\x80"), HasSubstr("ends within a number"));
  EXPECT_THAT(ErrorOf("\x10\xff"), HasSubstr("ends within a number"));
  EXPECT_THAT(ErrorOf("\x10" + std::string(10, '\xff')),
              HasSubstr("more than 64 bits"));
  EXPECT_THAT(ErrorOf("\x10" + std::string(9, '\xff') + "\x02"),
              HasSubstr("more than 64 bits"));
  EXPECT_THAT(ErrorOf("\x0a\x05"
                      "abcd"),
              HasSubstr("says that it has 5 bytes, but only 4 follow"));
  EXPECT_THAT(ErrorOf("\x0a" + std::string(9, '\xff') + "\x01"),
              HasSubstr("says that it has 18446744073709551615 bytes"));
  EXPECT_THAT(ErrorOf("\x12" + std::string(9, '\xff') + "\x01"),
              HasSubstr("says that it has 18446744073709551615 bytes"));
  EXPECT_THAT(ErrorOf("\x0a\x01\xff"), HasSubstr("no UTF-8"));
  EXPECT_THAT(ErrorOf("\x08\x01"), HasSubstr("field 1 is no string"));
  EXPECT_THAT(ErrorOf(std::string("\x02\x00", 2)), HasSubstr("the number 0"));
  EXPECT_THAT(ErrorOf("\xfa\xff\xff\xff\xff\x01"), HasSubstr("number"));
  EXPECT_THAT(ErrorOf("\x13\x14"), HasSubstr("wire type 3"));
  EXPECT_THAT(ErrorOf("\x16"), HasSubstr("wire type 6"));
  EXPECT_THAT(ErrorOf("\x15\x01\x02\x03"), HasSubstr("ends within a number"));
  EXPECT_THAT(ErrorOf("\x11\x01"), HasSubstr("ends within a number"));
}

// Errors name what was read before them, and are text.
TEST(ReaderTest, KeepsNothingThatIsNoText) {
  const absl::Cord cord("\x0a\x02z\xff");
  Reader reader(cord);
  ASSERT_TRUE(reader.Next());
  std::string text = "before";
  EXPECT_FALSE(reader.Read(&text));
  EXPECT_EQ(text, "");
}

TEST(ReaderTest, HoldsEveryPrefixOfAMessageForWhatItIs) {
  std::string bytes;
  Writer writer(&bytes);
  writer.Varint(1, 300);
  writer.Bytes(2, "abc");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::Cord cord(bytes.substr(0, size));
    Reader reader(cord);
    while (reader.Next()) {
    }
    // Whole fields are a message.
    EXPECT_EQ(reader.status().ok(), size == 0 || size == 3) << size;
  }
}

TEST(VarintsTest, AreReadAcrossParts) {
  std::string bytes;
  const int64_t numbers[] = {0,   1,  127,
                             128, -1, std::numeric_limits<int64_t>::min()};
  Writer(&bytes).Packed(1, numbers, std::size(numbers));
  const std::string packed = bytes.substr(2);
  for (size_t size = 1; size <= packed.size(); ++size) {
    std::vector<int64_t> read;
    EXPECT_TRUE(ForEachVarint(InParts(packed, size), [&](uint64_t value) {
      read.push_back(static_cast<int64_t>(value));
      return true;
    }));
    EXPECT_THAT(read, ::testing::ElementsAreArray(numbers));
  }
  const auto any = [](uint64_t) { return true; };
  EXPECT_FALSE(ForEachVarint(absl::Cord("\x80"), any));
  EXPECT_FALSE(ForEachVarint(absl::Cord(std::string(11, '\xff')), any));
  EXPECT_FALSE(ForEachVarint(absl::Cord(std::string(9, '\xff') + "\x02"), any));
}

}  // namespace
}  // namespace wire
