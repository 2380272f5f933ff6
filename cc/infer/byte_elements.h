// The elements of BYTES tensors: see base::DataType::kBytes.
#ifndef CC_INFER_BYTE_ELEMENTS_H_
#define CC_INFER_BYTE_ELEMENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace infer {

// What stands before an element of so many bytes.
using ElementPrefix = std::array<char, 4>;

inline ElementPrefix PrefixOf(size_t bytes) {
  ElementPrefix prefix;
  for (size_t i = 0; i < prefix.size(); ++i) {
    prefix[i] = static_cast<char>(bytes >> (8 * i));
  }
  return prefix;
}

// Adds an element, whose bytes are shared.
inline void AppendElement(absl::Cord element, absl::Cord* data) {
  const ElementPrefix prefix = PrefixOf(element.size());
  data->Append(absl::string_view(prefix.data(), prefix.size()));
  data->Append(std::move(element));
}

// The elements of valid data (see validate.h), which share its bytes.
inline std::vector<absl::Cord> ElementsOf(const absl::Cord& data) {
  std::vector<absl::Cord> elements;
  for (size_t at = 0; at < data.size();) {
    uint32_t size = 0;
    for (size_t i = 0; i < sizeof(ElementPrefix); ++i, ++at) {
      size |= static_cast<uint32_t>(static_cast<uint8_t>(data[at])) << (8 * i);
    }
    elements.push_back(data.Subcord(at, size));
    at += size;
  }
  return elements;
}

}  // namespace infer

#endif  // CC_INFER_BYTE_ELEMENTS_H_
