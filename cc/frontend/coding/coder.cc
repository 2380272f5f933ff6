#include "cc/frontend/coding/coder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace coding {
namespace {

constexpr size_t kMostBlock = 1 << 20;
// What JSON and text mostly gain.
constexpr size_t kUsualRatio = 4;
// As zlib.h has it for a window of 32 KiB (and memLevel 8).
constexpr size_t kInflateState = 44 << 10;
constexpr size_t kDeflateState = 268 << 10;
constexpr int kWindowBits = 15;
constexpr int kMemLevel = 8;
constexpr int kGzipBits = 16;  // added to those of the window
// Of JSON, level 6 makes 40 % in place of 46 %, in six times the time.
constexpr int kLevel = 1;
// Of what is read in a step, for each byte that may be written: blocks of a
// deflate stream can be empty, and take time all the same.
constexpr size_t kReadShare = 4;

absl::Status NoMemory() {
  return absl::ResourceExhaustedError(
      "the server has no memory for what is compressed just now");
}

// The zlib header: method 8, a window of at most 32 KiB, a multiple of 31.
// Without it a stream begins with a block's header; one that looks like this
// would be a stored block with padding that no encoder writes.
bool HasZlibHeader(const absl::Cord& in) {
  if (in.size() < 2) return true;
  const unsigned first = static_cast<unsigned char>(in[0]);
  const unsigned second = static_cast<unsigned char>(in[1]);
  return (first & 0x0f) == 8 && first >> 4 <= 7 &&
         (first << 8 | second) % 31 == 0;
}

}  // namespace

Coder::Coder(absl::Cord in, size_t expected, size_t state_bytes,
             std::shared_ptr<http::BlockPool> pool, base::ByteBudget* budget)
    : in_(std::move(in)),
      pool_(std::move(pool)),
      charge_(budget),
      state_bytes_(state_bytes),
      first_block_(std::clamp(expected, http::Block::kUsual, kMostBlock)) {}

absl::Status Coder::TakeState() {
  return charge_.Resize(state_bytes_) ? absl::OkStatus() : NoMemory();
}

bool Coder::FillIn(size_t most) {
  if (in_.empty()) return false;
  const absl::string_view chunk = *in_.chunk_begin();
  offered_in_ = std::min(chunk.size(), most);
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(chunk.data()));
  stream_.avail_in = static_cast<uInt>(offered_in_);
  return true;
}

absl::Status Coder::FillOut(size_t most) {
  if (block_ != nullptr && used_ == block_->capacity) Adopt();
  if (block_ == nullptr) {
    block_ = pool_->Get(
        out_.empty() ? first_block_
                     : std::clamp(out_.size(), first_block_, kMostBlock));
    if (block_ == nullptr) return NoMemory();
  }
  offered_out_ = std::min(block_->capacity - used_, most);
  stream_.next_out = reinterpret_cast<Bytef*>(block_->data.get() + used_);
  stream_.avail_out = static_cast<uInt>(offered_out_);
  return absl::OkStatus();
}

void Coder::Settle() {
  const size_t read = offered_in_ - stream_.avail_in;
  const size_t written = offered_out_ - stream_.avail_out;
  in_.RemovePrefix(read);
  read_ += read;
  used_ += written;
  written_ += written;
  offered_in_ = offered_out_ = 0;
  stream_.avail_in = stream_.avail_out = 0;
}

void Coder::Adopt() {
  if (block_ != nullptr && used_ > 0) {
    const absl::string_view bytes(block_->data.get(), used_);
    out_.Append(absl::MakeCordFromExternal(bytes, [block = block_] {}));
  }
  block_.reset();
  used_ = 0;
}

// ---- Inflater

Inflater::Inflater(Coding coding, const absl::Cord& in, size_t max_bytes,
                   std::shared_ptr<http::BlockPool> pool,
                   base::ByteBudget* budget)
    : Coder(in, kUsualRatio * in.size(), kInflateState, std::move(pool),
            budget),
      coding_(coding),
      max_bytes_(max_bytes) {}

Inflater::~Inflater() {
  if (begun_) inflateEnd(&stream_);
}

absl::Status Inflater::Begin() {
  if (absl::Status status = TakeState(); !status.ok()) return status;
  const int bits = coding_ == Coding::kGzip ? kWindowBits + kGzipBits
                   : HasZlibHeader(in_)     ? kWindowBits
                                            : -kWindowBits;
  if (inflateInit2(&stream_, bits) != Z_OK) return NoMemory();
  begun_ = true;
  return absl::OkStatus();
}

absl::Status Inflater::Malformed() const {
  return absl::InvalidArgumentError(absl::StrCat(
      "what is said to be ", NameOf(coding_), " is not, at byte ", read_,
      stream_.msg != nullptr ? absl::StrCat(": ", stream_.msg) : ""));
}

absl::StatusOr<bool> Inflater::Step(size_t bytes) {
  if (!begun_) {
    if (absl::Status status = Begin(); !status.ok()) return status;
  }
  const uint64_t last_read = read_ + std::max<size_t>(1, bytes / kReadShare);
  const uint64_t last_written = written_ + bytes;
  while (read_ < last_read && written_ < last_written) {
    const bool more = FillIn(last_read - read_);
    if (between_ && !more) {
      Adopt();
      return true;
    }
    if (std::exchange(between_, false)) {
      constexpr Bytef kMember = 0x1f;  // begins with it
      if (coding_ != Coding::kGzip || *stream_.next_in != kMember) {
        return absl::InvalidArgumentError(
            absl::StrCat(in_.size(), " bytes follow the end of the ",
                         NameOf(coding_), " data"));
      }
      inflateReset(&stream_);
    }
    if (absl::Status status = FillOut(last_written - written_); !status.ok()) {
      return status;
    }
    const int result = inflate(&stream_, Z_NO_FLUSH);
    Settle();
    if (written_ > max_bytes_) {
      return absl::OutOfRangeError(
          absl::StrCat("decompressed it has more than ", max_bytes_, " bytes"));
    }
    switch (result) {
      case Z_OK:
        break;
      case Z_BUF_ERROR:
        // At the end of what is read, bytes may be left that had no room.
        if (more) break;
        return absl::InvalidArgumentError(
            absl::StrCat("the ", NameOf(coding_), " data breaks off after ",
                         read_, " bytes"));
      case Z_STREAM_END:
        between_ = true;
        break;
      case Z_MEM_ERROR:
        return NoMemory();
      default:
        return Malformed();
    }
  }
  return false;
}

// ---- Deflater

Deflater::Deflater(Coding coding, const absl::Cord& in,
                   std::shared_ptr<http::BlockPool> pool,
                   base::ByteBudget* budget)
    : Coder(in, in.size() / kUsualRatio, kDeflateState, std::move(pool),
            budget),
      coding_(coding) {}

Deflater::~Deflater() {
  if (begun_) deflateEnd(&stream_);
}

absl::StatusOr<bool> Deflater::Step(size_t bytes) {
  if (!begun_) {
    if (absl::Status status = TakeState(); !status.ok()) return status;
    const int bits = kWindowBits + (coding_ == Coding::kGzip ? kGzipBits : 0);
    if (deflateInit2(&stream_, kLevel, Z_DEFLATED, bits, kMemLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      return NoMemory();
    }
    begun_ = true;
  }
  const uint64_t last = read_ + bytes;
  while (read_ < last) {
    const bool more = FillIn(last - read_);
    if (absl::Status status = FillOut(kMostBlock); !status.ok()) return status;
    const int result = deflate(&stream_, more ? Z_NO_FLUSH : Z_FINISH);
    Settle();
    if (result == Z_STREAM_END) {
      Adopt();
      return true;
    }
  }
  return false;
}

}  // namespace coding
