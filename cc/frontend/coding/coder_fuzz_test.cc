// A gzip or zlib stream, and what is made of any bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bazel/fuzz/check.h"
#include "cc/base/byte_budget.h"
#include "cc/base/refusal_check.h"
#include "cc/frontend/coding/coder.h"
#include "cc/frontend/coding/coding.h"
#include "cc/frontend/http/block.h"

namespace coding {
namespace {

constexpr size_t kMost = 64 << 10;

absl::StatusOr<absl::Cord> Run(Coder* coder, size_t step) {
  for (;;) {
    const auto done = coder->Step(step);
    if (!done.ok()) return done.status();
    if (*done) return coder->Take();
  }
}

void CheckInflated(absl::string_view text, Coding coding) {
  base::ByteBudget budget(1 << 20);
  {
    const auto pool = http::BlockPool::Make(&budget);
    Inflater whole(coding, absl::Cord(text), kMost, pool, &budget);
    Inflater cut(coding, fuzz::CordOfPieces(text), kMost, pool, &budget);
    const auto plain = Run(&whole, kMost);
    const auto again = Run(&cut, 100);
    fuzz::Check(plain.status().code() == again.status().code(),
                "pieces change nothing",
                absl::StrCat(plain.status().ToString(), " but ",
                             again.status().ToString()));
    if (plain.ok()) {
      fuzz::Check(*plain == *again, "pieces change nothing");
      fuzz::Check(plain->size() <= kMost, "a bomb is none");
    } else {
      base::CheckRefusal(plain.status(), {absl::StatusCode::kInvalidArgument,
                                          absl::StatusCode::kOutOfRange});
    }
  }
  fuzz::Check(budget.held() == 0, "all is given back",
              absl::StrCat(budget.held()));
}

void CheckRoundTrip(absl::string_view text, Coding coding) {
  base::ByteBudget budget(4 << 20);
  const auto pool = http::BlockPool::Make(&budget);
  Deflater deflater(coding, fuzz::CordOfPieces(text), pool, &budget);
  const auto coded = Run(&deflater, 100);
  fuzz::Check(coded.ok(), "all can be compressed", coded.status().ToString());
  Inflater inflater(coding, *coded, text.size(), pool, &budget);
  const auto plain = Run(&inflater, 100);
  fuzz::Check(plain.ok() && *plain == text, "it comes back",
              plain.status().ToString());
}

}  // namespace
}  // namespace coding

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  for (const auto coding : {coding::Coding::kGzip, coding::Coding::kDeflate}) {
    coding::CheckInflated(text, coding);
    coding::CheckRoundTrip(text, coding);
  }
  coding::ContentCoding(text);
  coding::AcceptedCoding(text);
  return 0;
}
