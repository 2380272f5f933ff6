// How far two answers to one request are apart.
#ifndef CC_TUNE_DIFFERENCE_H_
#define CC_TUNE_DIFFERENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cc/infer/tensor.h"

namespace tune {

using Answer = std::vector<infer::Tensor>;

struct Difference {
  bool bits = false;  // some bit differs
  // The largest absolute difference of two elements; infinity where one of them
  // is not finite, or types, shapes or offsets differ.
  double most = 0;

  void Add(const Difference& other);
  // "equal", "differ by at most 1.2e-07"
  std::string Words() const;
};

Difference Compare(const Answer& a, const Answer& b);

// The part of row `row` of an answer to `rows` rows. False where an output has
// no such parts.
bool RowOf(const Answer& answer, int64_t rows, int64_t row, Answer* part);

}  // namespace tune

#endif  // CC_TUNE_DIFFERENCE_H_
