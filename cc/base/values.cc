#include "cc/base/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace base {
namespace {

// Finds the first element outside a range, in bytes that come in pieces.
template <typename T>
class RangeScan {
 public:
  explicit RangeScan(const ValueRange& range)
      : min_(Lower(range.min)), max_(Upper(range.max)) {}

  // False: found() has it.
  bool Add(std::string_view bytes) {
    while (carried_ > 0 && !bytes.empty()) {
      carry_[carried_++] = bytes.front();
      bytes.remove_prefix(1);
      if (carried_ < sizeof(T)) continue;
      carried_ = 0;
      if (!Whole(std::string_view(carry_, sizeof(T)))) return false;
    }
    const size_t rest = bytes.size() % sizeof(T);
    if (!Whole(bytes.substr(0, bytes.size() - rest))) return false;
    if (rest > 0) {
      std::memcpy(carry_, bytes.data() + bytes.size() - rest, rest);
      carried_ = rest;
    }
    return true;
  }

  std::string found() const { return absl::StrCat(+found_); }
  uint64_t index() const { return index_; }

 private:
  // Real numbers lose their fraction on the way to an index: -0.5 is 0.
  using Bound =
      std::conditional_t<std::is_floating_point_v<T>, double,
                         std::conditional_t<std::is_signed_v<T>, T, int64_t>>;
  static constexpr bool kReal = std::is_floating_point_v<T>;

  static Bound Lower(int64_t bound) {
    if constexpr (kReal) {
      if (bound == std::numeric_limits<int64_t>::min()) return -INFINITY;
      return std::nextafter(static_cast<double>(bound) - 1, INFINITY);
    } else {
      return static_cast<Bound>(
          std::clamp<int64_t>(bound, std::numeric_limits<Bound>::min(),
                              std::numeric_limits<Bound>::max()));
    }
  }
  static Bound Upper(int64_t bound) {
    if constexpr (kReal) {
      if (bound == std::numeric_limits<int64_t>::max()) return INFINITY;
      return std::nextafter(static_cast<double>(bound) + 1, -INFINITY);
    } else {
      return Lower(bound);
    }
  }

  bool Whole(std::string_view elements) {
    const size_t count = elements.size() / sizeof(T);
    // Without a branch for each element the compiler makes vectors of it.
    constexpr size_t kBlock = 1024;
    for (size_t begin = 0; begin < count; begin += kBlock) {
      const size_t end = std::min(count, begin + kBlock);
      bool inside = true;
      for (size_t i = begin; i < end; ++i) {
        const T value = At(elements, i);
        // NaN is not.
        inside &= static_cast<bool>((value >= min_) & (value <= max_));
      }
      if (inside) continue;
      for (size_t i = begin; i < end; ++i) {
        found_ = At(elements, i);
        if (!(found_ >= min_ && found_ <= max_)) {
          index_ += i;
          return false;
        }
      }
    }
    index_ += count;
    return true;
  }

  static T At(std::string_view elements, size_t i) {
    T value;
    std::memcpy(&value, elements.data() + i * sizeof(T), sizeof(T));
    return value;
  }

  const Bound min_;
  const Bound max_;
  char
      carry_[sizeof(int64_t)];  // the begin of an element that two pieces share
  size_t carried_ = 0;
  T found_ = 0;
  uint64_t index_ = 0;
};

std::string Text(const ValueRange& range) {
  if (range.min == std::numeric_limits<int64_t>::min()) {
    return absl::StrCat("at most ", range.max);
  }
  if (range.max == std::numeric_limits<int64_t>::max()) {
    return absl::StrCat("at least ", range.min);
  }
  return absl::StrCat(range.min, " to ", range.max);
}

template <typename T, typename Pieces>
absl::Status CheckRange(const ValueRange& range, const Pieces& pieces) {
  RangeScan<T> scan(range);
  for (const absl::string_view piece : pieces) {
    if (scan.Add({piece.data(), piece.size()})) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "element ", scan.index(), " is ", scan.found(), ", the model takes ",
        Text(range),
        range.reason.empty() ? "" : absl::StrCat(" (", range.reason, ")")));
  }
  return absl::OkStatus();
}

template <typename Pieces>
absl::Status CheckPieces(const TensorSpec& spec, const Pieces& pieces) {
  if (spec.dtype == DataType::kBool) {
    // Any other byte in a C++ bool is undefined behaviour inside the engine.
    for (const absl::string_view piece : pieces) {
      if (piece.find_first_not_of(absl::string_view("\0\1", 2)) !=
          absl::string_view::npos) {
        return absl::InvalidArgumentError(
            "a BOOL element is a byte other than 0 and 1");
      }
    }
    return absl::OkStatus();
  }
  if (!spec.range) return absl::OkStatus();
  switch (spec.dtype) {
    case DataType::kUint8:
      return CheckRange<uint8_t>(*spec.range, pieces);
    case DataType::kInt8:
      return CheckRange<int8_t>(*spec.range, pieces);
    case DataType::kInt32:
      return CheckRange<int32_t>(*spec.range, pieces);
    case DataType::kInt64:
      return CheckRange<int64_t>(*spec.range, pieces);
    case DataType::kFloat32:
      return CheckRange<float>(*spec.range, pieces);
    case DataType::kFloat64:
      return CheckRange<double>(*spec.range, pieces);
    default:
      return absl::OkStatus();
  }
}

// Calls take(offset, bytes) for each run of bytes of the parts, in order.
template <typename Take>
void ForEachRun(DataType dtype, const std::vector<int64_t>& shape,
                const std::vector<Part>& parts, Take take) {
  const size_t rank = shape.size();
  std::vector<int64_t> begin(rank, 0);
  std::vector<int64_t> end = shape;
  for (const Part& part : parts) {
    begin[part.axis] = std::max(begin[part.axis], part.begin);
    end[part.axis] = std::min(end[part.axis], part.end);
  }
  for (size_t i = 0; i < rank; ++i) {
    if (begin[i] >= end[i]) return;
  }
  // A run goes over the last axis that is cut, and all of those behind it.
  size_t outer = rank;
  size_t bytes = SizeOf(dtype);
  while (outer > 0 && begin[outer - 1] == 0 &&
         end[outer - 1] == shape[outer - 1]) {
    bytes *= static_cast<size_t>(shape[--outer]);
  }
  const size_t stride = bytes;
  if (outer > 0) {
    --outer;
    bytes *= static_cast<size_t>(end[outer] - begin[outer]);
  }
  std::vector<int64_t> at = begin;
  while (true) {
    size_t offset = 0;
    for (size_t i = 0; i <= outer && i < rank; ++i) {
      offset =
          offset * static_cast<size_t>(shape[i]) + static_cast<size_t>(at[i]);
    }
    take(offset * stride, bytes);
    size_t axis = outer;
    while (axis > 0 && ++at[axis - 1] == end[axis - 1]) {
      at[axis - 1] = begin[axis - 1];
      --axis;
    }
    if (axis == 0) return;
  }
}

// "[:, 0:1]"
std::string Text(const std::vector<Part>& parts, size_t rank) {
  std::vector<std::string> texts(rank, ":");
  for (const Part& part : parts) {
    texts[part.axis] = absl::StrCat(part.begin, ":", part.end);
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

}  // namespace

absl::Status CheckValues(const TensorSpec& spec, std::string_view data) {
  const absl::string_view pieces[] = {{data.data(), data.size()}};
  return CheckPieces(spec, pieces);
}

absl::Status CheckValues(const TensorSpec& spec, const absl::Cord& data) {
  return CheckPieces(spec, data.Chunks());
}

absl::Status CheckLod(int lod_level, const std::vector<int64_t>& shape,
                      const Lod& lod) {
  const auto invalid = [](const std::string& what) {
    return absl::InvalidArgumentError(what);
  };
  if (lod.size() != static_cast<size_t>(lod_level)) {
    if (lod_level == 0) {
      return invalid("it has offsets of sequences (LoD), the model takes none");
    }
    return invalid(absl::StrCat(
        "it has ", lod.size(), " levels of offsets (LoD), the model takes ",
        lod_level, "; {0, ..., rows} is one sequence or more"));
  }
  for (size_t i = 0; i < lod.size(); ++i) {
    const std::vector<int64_t>& level = lod[i];
    const std::string name = absl::StrCat("level ", i, " of its offsets (LoD)");
    if (level.empty() || level.front() != 0) {
      return invalid(absl::StrCat(name, " does not begin with 0"));
    }
    for (size_t j = 1; j < level.size(); ++j) {
      // Paddle's gru writes outside its memory for a sequence without rows.
      if (level[j] <= level[j - 1]) {
        return invalid(absl::StrCat(name, " does not ascend: ", level[j],
                                    " follows ", level[j - 1]));
      }
    }
    const bool last = i + 1 == lod.size();
    int64_t count = 0;  // of what this level cuts
    if (!last) {
      count = static_cast<int64_t>(lod[i + 1].size()) - 1;
    } else if (!shape.empty()) {
      count = shape[0];
    }
    if (level.back() != count) {
      return invalid(absl::StrCat(name, " ends with ", level.back(), ", the ",
                                  last ? "tensor has " : "next level has ",
                                  count, last ? " rows" : " sequences"));
    }
  }
  return absl::OkStatus();
}

bool IsMeaningful(const ValueCheck& check,
                  const std::vector<TensorSpec>& specs) {
  const auto has = [&](size_t input, size_t axis) {
    return input < specs.size() && axis < specs[input].shape.size();
  };
  return check.input < specs.size() &&
         (!check.of || has(check.of->input, check.of->axis)) &&
         std::all_of(
             check.parts.begin(), check.parts.end(),
             [&](const Part& part) { return has(check.input, part.axis); });
}

namespace internal {

std::string Cut(std::string_view data, DataType dtype,
                const std::vector<int64_t>& shape,
                const std::vector<Part>& parts) {
  std::string cut;
  ForEachRun(dtype, shape, parts, [&](size_t offset, size_t bytes) {
    cut.append(data.substr(offset, bytes));
  });
  return cut;
}

std::string Cut(const absl::Cord& data, DataType dtype,
                const std::vector<int64_t>& shape,
                const std::vector<Part>& parts) {
  std::string cut;
  absl::Cord::CharIterator at = data.char_begin();
  size_t passed = 0;
  ForEachRun(dtype, shape, parts, [&](size_t offset, size_t bytes) {
    absl::Cord::Advance(&at, offset - passed);
    for (size_t left = bytes; left > 0;) {
      const absl::string_view piece =
          absl::Cord::ChunkRemaining(at).substr(0, left);
      cut.append(piece.data(), piece.size());
      absl::Cord::Advance(&at, piece.size());
      left -= piece.size();
    }
    passed = offset + bytes;
  });
  return cut;
}

absl::Status Named(const absl::Status& status, const std::string& input,
                   const std::vector<Part>& parts, size_t rank) {
  return absl::Status(
      status.code(),
      absl::StrCat("input ", input, parts.empty() ? "" : Text(parts, rank),
                   ": ", status.message()));
}

}  // namespace internal

}  // namespace base
