// Text out of a recogniser's answer (Graves et al., 2006): a row of scores for
// each step along a line, of which the greatest count. Equal classes next to
// each other are one character, class 0 is none.
#ifndef CC_OCR_TEXT_CTC_H_
#define CC_OCR_TEXT_CTC_H_

#include <cstddef>
#include <string>
#include <vector>

#include "cc/ocr/text/labels.h"

namespace ocr {

struct Character {
  size_t label = 0;  // its class
  int step = 0;      // the first that has it
  float score = 0;
};

struct Line {
  std::string text;  // UTF-8
  // The mean of its characters' scores; 0 without any.
  double score = 0;
  std::vector<Character> characters;
};

// What a recogniser gives for each class.
enum class Scores {
  kProbabilities,
  kLogits,  // of which softmax makes probabilities
};

// Which of them a step's row is: probabilities are from 0 to 1, and 1 together.
Scores KindOf(const float* row, size_t classes);

// Reads float[steps][classes]; labels.Check(classes) is OK. NaN is the least of
// numbers: a step of nothing else has no character. Scores of characters are
// probabilities.
Line DecodeCtc(const float* scores, Scores kind, int steps, size_t classes,
               const Labels& labels);

// Where a character is on its line, from the left.
struct Extent {
  double left = 0;
  double right = 0;
};

// Of each character of a line, on the picture of `width` pixels that was read.
// `steps` are all of the recogniser's, `used` is the part of its input, at most
// 1, that the picture took; the rest was padding.
//
// As RapidOCR has it: a character is in the middle of its step, as broad as
// characters of its kind (Chinese, or others) are on this line between the
// first and the last of each run, and does not go over its neighbours.
std::vector<Extent> Extents(const Line& line, const Labels& labels, int steps,
                            double used, int width);

}  // namespace ocr

#endif  // CC_OCR_TEXT_CTC_H_
