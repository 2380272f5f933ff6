#include "cc/ocr/page.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/json.h"
#include "cc/base/text.h"
#include "cc/ocr/picture/resize.h"
#include "cc/ocr/picture/warp.h"

namespace ocr {
namespace {

constexpr int64_t kChannels = 3;

// Rows of black above and below.
Picture WithBars(const Picture& picture, int bar) {
  Picture barred(picture.width, picture.height + 2 * bar);
  std::copy(picture.bgr.begin(), picture.bgr.end(), barred.Row(bar));
  return barred;
}

// The values of a tensor, in one piece. FAILED_PRECONDITION: it has not these
// dimensions, of which -1 is any.
absl::StatusOr<std::vector<float>> Values(const infer::Tensor& tensor,
                                          const std::vector<int64_t>& shape) {
  bool fits = tensor.dtype == base::DataType::kFloat32 &&
              tensor.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] < 0 || tensor.shape[i] == shape[i];
  }
  if (!fits) {
    return absl::FailedPreconditionError(
        absl::StrCat("it gives ", NameOf(tensor.dtype), " ",
                     base::ShapeText(tensor.shape), ", and FP32 ",
                     base::ShapeText(shape), " is what a model for it gives"));
  }
  std::vector<float> values(tensor.data.size() / sizeof(float));
  auto* to = reinterpret_cast<char*>(values.data());
  for (const absl::string_view chunk : tensor.data.Chunks()) {
    std::memcpy(to, chunk.data(), chunk.size());
    to += chunk.size();
  }
  return values;
}

// A line as a model gets it: resized to its height and filled up.
void FillResized(const Picture& crop, const LineForm& form, int width,
                 int padded, float* input) {
  const Picture line = Resize(crop, width, form.height);
  if (form.grey) {
    FillGreyLine(line.bgr.data(), width, padded, form.height, input);
  } else {
    FillLine(line.bgr.data(), width, padded, input, form.height);
  }
}

int64_t Channels(const LineForm& form) { return form.grey ? 1 : kChannels; }

size_t LineFloats(const LineForm& form, int width) {
  return static_cast<size_t>(Channels(form) * form.height * width);
}

Size SizeOf(const Picture& picture) { return {picture.width, picture.height}; }

}  // namespace

absl::StatusOr<Page> Open(absl::string_view file, const PageOptions& options,
                          base::ByteBudget* budget) {
  const auto header = ReadHeader(file, options.limits);
  if (!header.ok()) return header.status();
  Page page;
  page.charge = base::Charge(budget);
  page.original = {header->width, header->height};
  if (header->lies_on_a_side()) {
    std::swap(page.original.width, page.original.height);
  }
  page.plan = PlanDetection(page.original, options.detector);
  // Besides decoding: the detector's input and its map.
  const int64_t input = int64_t{page.plan.input.width} *
                        page.plan.input.height * (kChannels + 1) *
                        int64_t{sizeof(float)};
  if (!page.charge.Resize(static_cast<size_t>(DecodeMemory(*header) + input))) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server has no room to read a picture of ",
                     header->width, " x ", header->height, " pixels just now"));
  }
  auto decoded = Decode(file, options.limits);
  if (!decoded.ok()) return decoded.status();
  const Size& size = page.plan.page;
  page.picture =
      size.width == page.original.width && size.height == page.original.height
          ? *std::move(decoded)
          : Resize(*decoded, size.width, size.height);
  if (page.plan.bar > 0) page.picture = WithBars(page.picture, page.plan.bar);
  return page;
}

Input DetectorInput(const Page& page, const Normalisation& normalisation) {
  const Size& size = page.plan.input;
  Input input{{1, kChannels, size.height, size.width}, {}};
  input.values.resize(kChannels * static_cast<size_t>(size.width) *
                      static_cast<size_t>(size.height));
  FillDetector(Resize(page.picture, size.width, size.height).bgr.data(), size,
               normalisation, input.values.data());
  return input;
}

absl::StatusOr<std::vector<TextLine>> FindLines(const Page& page,
                                                const infer::Tensor& map,
                                                const BoxOptions& options) {
  const Size& size = page.plan.input;
  const auto values = Values(map, {1, 1, size.height, size.width});
  if (!values.ok()) return values.status();
  std::vector<Box> boxes =
      FindBoxes(values->data(), size.height, size.width, page.picture.height,
                page.picture.width, options);
  SortBoxes(&boxes);
  std::vector<TextLine> lines;
  for (const Box& box : boxes) {
    Quadrilateral corners;
    for (size_t i = 0; i < corners.size(); ++i) {
      corners[i] = {box.corners[i].x, box.corners[i].y};
    }
    auto crop = Crop(page.picture, corners);
    if (!crop.ok()) continue;
    lines.push_back(
        {box, CropIsTurned(corners) ? 1U : 0U, *std::move(crop), "", 0});
  }
  return lines;
}

Input ClassifierInput(const std::vector<TextLine>& lines) {
  Input input{{static_cast<int64_t>(lines.size()), kChannels, kLineHeight,
               kClassifierWidth},
              {}};
  const LineForm form;
  const size_t each = LineFloats(form, kClassifierWidth);
  input.values.resize(lines.size() * each);
  for (size_t i = 0; i < lines.size(); ++i) {
    FillResized(lines[i].crop, form,
                LineWidth(SizeOf(lines[i].crop), kClassifierWidth),
                kClassifierWidth, &input.values[i * each]);
  }
  return input;
}

absl::Status TurnLines(const infer::Tensor& scores, const PageOptions& options,
                       std::vector<TextLine>* lines) {
  const auto values = Values(scores, {static_cast<int64_t>(lines->size()), 2});
  if (!values.ok()) return values.status();
  for (size_t i = 0; i < lines->size(); ++i) {
    const float upright = (*values)[2 * i];
    const float turned = (*values)[2 * i + 1];
    if (turned > upright && turned > options.turned) {
      Rotate180((*lines)[i].crop);
      (*lines)[i].begins = ((*lines)[i].begins + 2) % 4;
    }
  }
  return absl::OkStatus();
}

std::vector<Batch> RecogniserBatches(const std::vector<TextLine>& lines,
                                     const LineForm& form) {
  std::vector<Size> crops;
  for (const TextLine& line : lines) crops.push_back(SizeOf(line.crop));
  std::vector<Batch> batches;
  for (LineBatch& of_page :
       PageBatches(crops, kLinesTogether, kMostLineWidth, form.height)) {
    const size_t each = LineFloats(form, of_page.width);
    Batch batch{std::move(of_page.lines), {}};
    batch.input.shape = {static_cast<int64_t>(batch.lines.size()),
                         Channels(form), form.height, of_page.width};
    batch.input.values.resize(batch.lines.size() * each);
    for (size_t i = 0; i < batch.lines.size(); ++i) {
      const size_t line = batch.lines[i];
      FillResized(lines[line].crop, form,
                  LineWidth(crops[line], of_page.width, form.height),
                  of_page.width, &batch.input.values[i * each]);
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

absl::Status ReadLines(const infer::Tensor& scores, const Labels& labels,
                       const Batch& batch, std::vector<TextLine>* lines) {
  const auto values =
      Values(scores, {static_cast<int64_t>(batch.lines.size()), -1, -1});
  if (!values.ok()) return values.status();
  const int64_t steps = scores.shape[1], classes = scores.shape[2];
  if (absl::Status status = labels.Check(classes); !status.ok()) return status;
  if (values->empty()) return absl::OkStatus();
  const Scores kind = KindOf(values->data(), static_cast<size_t>(classes));
  for (size_t i = 0; i < batch.lines.size(); ++i) {
    const size_t at = i * static_cast<size_t>(steps * classes);
    Line read = DecodeCtc(values->data() + at, kind, static_cast<int>(steps),
                          static_cast<size_t>(classes), labels);
    TextLine& line = (*lines)[batch.lines[i]];
    line.text = std::move(read.text);
    line.score = read.score;
  }
  return absl::OkStatus();
}

std::array<PagePoint, 4> OnOriginal(const Box& box, const Page& page) {
  std::array<PagePoint, 4> corners;
  for (size_t i = 0; i < corners.size(); ++i) {
    corners[i] = OnOriginal({box.corners[i].x, box.corners[i].y}, page.plan,
                            page.original);
  }
  return corners;
}

std::string PageJson(const Page& page, const std::vector<TextLine>& lines,
                     const PageOptions& options) {
  std::string json =
      absl::StrCat(R"({"width":)", page.original.width, R"(,"height":)",
                   page.original.height, R"(,"lines":[)");
  bool first = true;
  for (const TextLine& line : lines) {
    if (line.score < options.score) continue;
    absl::StrAppend(&json, first ? "" : ",", R"({"text":)");
    first = false;
    base::AppendJsonString(line.text, &json);
    json += R"(,"score":)";
    base::AppendJsonNumber(static_cast<float>(line.score), &json);
    json += R"(,"box":[)";
    const char* before = "[";
    for (const PagePoint& point : OnOriginal(line.box, page)) {
      json += std::exchange(before, ",[");
      base::AppendJsonNumber(point.x, &json);
      json += ",";
      base::AppendJsonNumber(point.y, &json);
      json += "]";
    }
    json += "]}";
  }
  json += "]}";
  return json;
}

}  // namespace ocr
