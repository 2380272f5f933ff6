#include "cc/engine/npy.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace engine {
namespace {

// The format: magic, version, size of the header (u16 in version 1, u32 in 2,
// little-endian), the header, the elements. The header is a Python dictionary
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
// padded with spaces so that the elements begin at a multiple of 64.
constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kAlignment = 64;
// NumPy's own bound for headers that it does not trust.
constexpr size_t kMaxHeader = 10000;
constexpr size_t kMaxDimensions = 32;

// "<f4"; "|u1" where there is no order of bytes.
std::string DescrOf(DataType type) {
  return absl::StrCat(SizeOf(type) == 1 ? "|" : "<", base::NumpyName(type));
}

std::optional<DataType> TypeOf(const std::string& descr) {
  if (descr.empty()) return std::nullopt;
  const std::optional<DataType> type = base::DataTypeOfNumpy(descr.substr(1));
  // NumPy writes '|' for types of one byte and reads '<' there as well.
  if (type && (descr[0] == '<' || descr == DescrOf(*type))) return type;
  return std::nullopt;
}

constexpr char kSuffix[] = ".npy";

// "x.npy" -> "x.lod.npy"; nullopt for other names.
std::optional<std::string> LodPath(const std::string& tensor_path) {
  if (!absl::EndsWith(tensor_path, kSuffix)) return std::nullopt;
  return absl::StrCat(
      tensor_path.substr(0, tensor_path.size() - std::strlen(kSuffix)), ".lod",
      kSuffix);
}

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("not a usable .npy: ", what));
}

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Reads the dictionary. Each Take skips spaces and returns whether it found
// what it looks for.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  absl::StatusOr<Header> Read() {
    Header header;
    if (!Take('{')) return Malformed();
    while (!Take('}')) {
      std::string key;
      if (!TakeString(&key) || !Take(':') || !TakeValue(key, &header)) {
        return Malformed();
      }
      if (!Take(',')) {
        if (!Take('}')) return Malformed();
        break;
      }
    }
    SkipSpaces();
    if (!text_.empty() || !header.descr || !header.fortran_order ||
        !header.shape) {
      return Malformed();
    }
    return header;
  }

 private:
  static absl::Status Malformed() {
    return Invalid("its header is malformed. Write it with numpy.save.");
  }

  void SkipSpaces() {
    const size_t at = text_.find_first_not_of(" \n\t");
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at);
  }

  bool Take(char c) {
    SkipSpaces();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool TakeWord(std::string_view word) {
    SkipSpaces();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  bool TakeString(std::string* value) {
    SkipSpaces();
    if (text_.empty()) return false;
    const char quote = text_.front();
    if (quote != '\'' && quote != '"') return false;
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    *value = std::string(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return true;
  }

  bool TakeNumber(int64_t* value) {
    SkipSpaces();
    *value = 0;
    size_t digits = 0;
    for (; digits < text_.size(); ++digits) {
      const char c = text_[digits];
      if (c < '0' || c > '9') break;
      if (__builtin_mul_overflow(*value, int64_t{10}, value) ||
          __builtin_add_overflow(*value, int64_t{c - '0'}, value)) {
        return false;
      }
    }
    text_.remove_prefix(digits);
    return digits > 0;
  }

  bool TakeValue(const std::string& key, Header* header) {
    if (key == "descr") {
      header->descr.emplace();
      // A list here describes records; its error should not be "malformed".
      if (Take('[')) {
        header->descr = "[...]";
        const size_t end = text_.rfind(']');
        if (end == std::string_view::npos) return false;
        text_.remove_prefix(end + 1);
        return true;
      }
      return TakeString(&*header->descr);
    }
    if (key == "fortran_order") {
      header->fortran_order = TakeWord("True");
      return *header->fortran_order || TakeWord("False");
    }
    if (key != "shape" || !Take('(')) return false;
    header->shape.emplace();
    while (!Take(')')) {
      int64_t dim;
      if (header->shape->size() == kMaxDimensions || !TakeNumber(&dim)) {
        return false;
      }
      header->shape->push_back(dim);
      if (!Take(',')) return Take(')');
    }
    return true;
  }

  std::string_view text_;
};

// Splits the bytes into header and elements.
absl::Status Split(std::string_view bytes, std::string_view* header,
                   std::string_view* data) {
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return Invalid("it does not begin like one. Write it with numpy.save.");
  }
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() < 2) return Invalid("it ends in its header.");
  const int major = static_cast<uint8_t>(bytes[0]);
  const int minor = static_cast<uint8_t>(bytes[1]);
  if (major < 1 || major > 2 || minor != 0) {
    return Invalid(absl::StrCat("its format version is ", major, ".", minor,
                                "; 1.0 and 2.0 are read here."));
  }
  bytes.remove_prefix(2);
  const size_t width = major == 1 ? 2 : 4;
  if (bytes.size() < width) return Invalid("it ends in its header.");
  size_t size = 0;
  for (size_t i = 0; i < width; ++i) {
    size |= static_cast<size_t>(static_cast<uint8_t>(bytes[i])) << 8 * i;
  }
  bytes.remove_prefix(width);
  if (size > kMaxHeader) {
    return Invalid(absl::StrCat("its header has ", size, " bytes; at most ",
                                kMaxHeader, " are read."));
  }
  if (size > bytes.size()) return Invalid("it ends in its header.");
  *header = bytes.substr(0, size);
  *data = bytes.substr(size);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Tensor> ReadNpy(std::string_view bytes) {
  std::string_view text;
  std::string_view data;
  absl::Status status = Split(bytes, &text, &data);
  if (!status.ok()) return status;
  absl::StatusOr<Header> header = HeaderReader(text).Read();
  if (!header.ok()) return header.status();

  Tensor tensor;
  const std::optional<DataType> type = TypeOf(*header->descr);
  if (!type) {
    const std::string shown = absl::CHexEscape(header->descr->substr(0, 20));
    return Invalid(
        header->descr->substr(0, 1) == ">"
            ? absl::StrCat("its elements ('", shown,
                           "') are big-endian. Convert them: "
                           "a.astype(a.dtype.newbyteorder('<')).")
            : absl::StrCat("its elements are '", shown,
                           "'; tensors have bool, integers, float16, float32 "
                           "and float64. Convert them: "
                           "a.astype('float32')."));
  }
  tensor.dtype = *type;
  if (*header->fortran_order && header->shape->size() > 1) {
    return Invalid(
        "it is in Fortran order. Convert it: numpy.ascontiguousarray(a).");
  }
  tensor.shape = *std::move(header->shape);
  uint64_t size = SizeOf(tensor.dtype);
  for (int64_t dim : tensor.shape) {
    if (__builtin_mul_overflow(size, static_cast<uint64_t>(dim), &size)) {
      size = std::numeric_limits<uint64_t>::max();
    }
  }
  if (size != data.size()) {
    return Invalid(absl::StrCat("its header promises ", size,
                                " bytes of elements, it has ", data.size(),
                                "."));
  }
  tensor.data = std::string(data);
  return tensor;
}

std::string WriteNpy(const Tensor& tensor) {
  std::string header = "{'descr': '" + DescrOf(tensor.dtype);
  header += "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    absl::StrAppend(&header, i == 0 ? "" : " ", tensor.shape[i],
                    i == 0 || i + 1 < tensor.shape.size() ? "," : "");
  }
  // Python writes (3,) with and (3, 4) without a comma at the end.
  header += "), }";
  const size_t prefix = kMagic.size() + 4;
  const size_t used = prefix + header.size() + 1;
  header.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  header += '\n';

  std::string bytes(kMagic);
  bytes += {'\1', '\0', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  return bytes + header + tensor.data;
}

absl::Status ReadLod(const std::string& tensor_path, Tensor* tensor) {
  const std::optional<std::string> path = LodPath(tensor_path);
  if (!path || !std::filesystem::exists(*path)) return absl::OkStatus();
  std::ifstream file(*path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const absl::StatusOr<Tensor> offsets = ReadNpy(bytes.str());
  if (!offsets.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(*path, ": ", offsets.status().message()));
  }
  if (offsets->dtype != DataType::kInt64 || offsets->shape.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        *path, ": offsets (LoD) are INT64 of one dimension, this is ",
        NameOf(offsets->dtype), " of ", offsets->shape.size()));
  }
  std::vector<int64_t> level(static_cast<size_t>(offsets->shape[0]));
  if (!level.empty()) {
    std::memcpy(level.data(), offsets->data.data(), offsets->data.size());
  }
  tensor->lod = {std::move(level)};
  return absl::OkStatus();
}

absl::Status WriteLod(const std::string& tensor_path, const Tensor& tensor) {
  if (tensor.lod.empty()) return absl::OkStatus();
  const std::optional<std::string> path = LodPath(tensor_path);
  if (!path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the offsets (LoD) of ", tensor.name, " have no file beside ",
        tensor_path, "; name the tensor's file FILE.npy, or use JSON"));
  }
  if (tensor.lod.size() > 1) {
    return absl::UnimplementedError(absl::StrCat(
        "the offsets (LoD) of ", tensor.name, " have ", tensor.lod.size(),
        " levels, a .npy file holds one; use JSON"));
  }
  const std::vector<int64_t>& level = tensor.lod[0];
  std::ofstream file(*path, std::ios::binary);
  file << WriteNpy({"",
                    DataType::kInt64,
                    {static_cast<int64_t>(level.size())},
                    std::string(reinterpret_cast<const char*>(level.data()),
                                level.size() * sizeof(level[0]))});
  file.close();
  if (!file) return absl::UnknownError(absl::StrCat("cannot write ", *path));
  return absl::OkStatus();
}

}  // namespace engine
