// Values <-> bytes of the messages between the server and its workers, which
// are two copies of one program on one machine: numbers lie as in memory.
#ifndef CC_WORKER_WIRE_H_
#define CC_WORKER_WIRE_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace worker {

class Writer {
 public:
  void Int(int64_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void String(absl::string_view text) {
    Int(static_cast<int64_t>(text.size()));
    bytes_.append(text.data(), text.size());
  }
  void Ints(const std::vector<int64_t>& values) {
    Int(static_cast<int64_t>(values.size()));
    for (const int64_t value : values) Int(value);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// What is not there reads as 0 or empty, and clears ok(): a worker that was
// overrun by its model may say anything.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }

  int64_t Int() {
    int64_t value = 0;
    if (!Has(sizeof(value))) return 0;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_.remove_prefix(sizeof(value));
    return value;
  }
  std::string String() {
    const int64_t size = Int();
    if (size < 0 || !Has(static_cast<uint64_t>(size))) return "";
    std::string text(bytes_.substr(0, static_cast<size_t>(size)));
    bytes_.remove_prefix(static_cast<size_t>(size));
    return text;
  }
  std::vector<int64_t> Ints() {
    std::vector<int64_t> values(Count(sizeof(int64_t)));
    for (int64_t& value : values) value = Int();
    return values;
  }
  // The number of things that follow, of so many bytes each at least.
  size_t Count(size_t bytes_each) {
    const int64_t count = Int();
    // Divided: their product may be more than the number can say.
    if (count < 0 ||
        static_cast<uint64_t>(count) > bytes_.size() / bytes_each) {
      ok_ = false;
      return 0;
    }
    return static_cast<size_t>(count);
  }

 private:
  bool Has(uint64_t bytes) { return ok_ = ok_ && bytes <= bytes_.size(); }

  absl::string_view bytes_;
  bool ok_ = true;
};

}  // namespace worker

#endif  // CC_WORKER_WIRE_H_
