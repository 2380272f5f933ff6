// gzip and zlib streams, by zlib: from cord to cord, as far at once as whoever
// waits can afford.
#ifndef CC_FRONTEND_CODING_CODER_H_
#define CC_FRONTEND_CODING_CODER_H_

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "cc/base/byte_budget.h"
#include "cc/frontend/coding/coding.h"
#include "cc/frontend/http/block.h"

namespace coding {

// On one thread at a time.
class Coder {
 public:
  virtual ~Coder() = default;
  Coder(const Coder&) = delete;
  Coder& operator=(const Coder&) = delete;

  // Goes on by about so many plain bytes. True at the end; after an error
  // nothing more is to be asked for. RESOURCE_EXHAUSTED: no memory.
  virtual absl::StatusOr<bool> Step(size_t bytes) = 0;
  // What about a millisecond is enough for.
  virtual size_t BytesPerMillisecond() const = 0;
  // At the end. Behind each chunk are http::Block::kSlack readable bytes.
  absl::Cord Take() { return std::exchange(out_, {}); }

 protected:
  // What comes out, about `expected` bytes, lies in blocks of the pool; zlib's
  // own memory, `state_bytes`, is taken of the budget.
  Coder(absl::Cord in, size_t expected, size_t state_bytes,
        std::shared_ptr<http::BlockPool> pool, base::ByteBudget* budget);

  absl::Status TakeState();
  // The next bytes that are to be read, at most so many; false where there are
  // none.
  bool FillIn(size_t most);
  // Makes room to write, at most so much.
  absl::Status FillOut(size_t most);
  // What zlib has read and written since.
  void Settle();
  // All is written.
  void Adopt();

  z_stream stream_ = {};
  absl::Cord in_;
  uint64_t read_ = 0;
  uint64_t written_ = 0;

 private:
  const std::shared_ptr<http::BlockPool> pool_;
  base::Charge charge_;
  const size_t state_bytes_;
  const size_t first_block_;
  size_t offered_in_ = 0;
  size_t offered_out_ = 0;
  std::shared_ptr<http::Block> block_;
  size_t used_ = 0;  // of the block
  absl::Cord out_;
};

// Coded bytes -> plain ones. INVALID_ARGUMENT: it is not what it is said to be,
// breaks off, or goes on behind its end. OUT_OF_RANGE: more than `max_bytes`.
// gzip may be several members, as RFC 1952 has it; deflate may lack the zlib
// header, as some clients send it.
class Inflater : public Coder {
 public:
  Inflater(Coding coding, const absl::Cord& in, size_t max_bytes,
           std::shared_ptr<http::BlockPool> pool, base::ByteBudget* budget);
  ~Inflater() override;

  absl::StatusOr<bool> Step(size_t bytes) override;
  size_t BytesPerMillisecond() const override { return 256 << 10; }

 private:
  absl::Status Begin();
  absl::Status Malformed() const;

  const Coding coding_;
  const size_t max_bytes_;
  bool begun_ = false;
  bool between_ = false;  // a member has ended
};

// Plain bytes -> coded ones.
class Deflater : public Coder {
 public:
  Deflater(Coding coding, const absl::Cord& in,
           std::shared_ptr<http::BlockPool> pool, base::ByteBudget* budget);
  ~Deflater() override;

  absl::StatusOr<bool> Step(size_t bytes) override;
  size_t BytesPerMillisecond() const override { return 64 << 10; }

 private:
  const Coding coding_;
  bool begun_ = false;
};

}  // namespace coding

#endif  // CC_FRONTEND_CODING_CODER_H_
