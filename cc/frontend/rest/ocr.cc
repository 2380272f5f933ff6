#include "cc/frontend/rest/ocr.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/base/json.h"
#include "cc/frontend/rest/multipart.h"
#include "cc/infer/byte_elements.h"

namespace rest {
namespace {

// A form's parts, files or not; the model says how many pictures it takes.
constexpr size_t kMaxParts = 256;

constexpr std::array<const char*, 3> kStages = {"decode", "detect", "read"};

}  // namespace

absl::StatusOr<infer::Request> OcrRequest(
    absl::Cord body, const std::optional<std::string>& form) {
  std::vector<absl::Cord> pictures;
  if (form) {
    auto parts = ReadForm(std::move(body), *form, kMaxParts);
    if (!parts.ok()) return parts.status();
    for (Part& part : *parts) {
      if (part.file) pictures.push_back(std::move(part.content));
    }
    if (pictures.empty()) {
      return absl::InvalidArgumentError(
          "the form has no file: send a picture as one, as curl does with -F "
          "image=@page.png");
    }
  } else if (body.empty()) {
    return absl::InvalidArgumentError(
        "the body is empty: send a picture, as curl does with --data-binary "
        "@page.png, or a form with -F image=@page.png");
  } else {
    pictures.push_back(std::move(body));
  }
  infer::Tensor images{"image",
                       base::DataType::kBytes,
                       {static_cast<int64_t>(pictures.size())},
                       {}};
  for (absl::Cord& picture : pictures) {
    infer::AppendElement(std::move(picture), &images.data);
  }
  infer::Request request;
  request.inputs.push_back(std::move(images));
  request.outputs = {"page", "milliseconds"};
  return request;
}

std::string OcrAnswer(const std::vector<infer::Tensor>& outputs) {
  const std::string times(outputs.at(1).data);
  std::string json = R"({"pages":[)";
  size_t at = 0;
  for (const absl::Cord& page : infer::ElementsOf(outputs.at(0).data)) {
    if (at > 0) json.push_back(',');
    json += std::string(page);
    json.pop_back();  // its brace
    json += R"(,"milliseconds":{)";
    for (const char* stage : kStages) {
      float milliseconds = 0;
      std::memcpy(&milliseconds, times.data() + at, sizeof(milliseconds));
      at += sizeof(milliseconds);
      absl::StrAppend(&json, stage == kStages[0] ? "\"" : ",\"", stage, "\":");
      base::AppendJsonNumber(milliseconds, &json);
    }
    json += "}}";
  }
  json += "]}";
  return json;
}

}  // namespace rest
