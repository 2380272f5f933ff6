#include "cc/ocr/inference_yml.h"

#include <array>
#include <cstddef>
#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cc/base/read_file.h"
#include "yaml-cpp/yaml.h"

namespace ocr {
namespace {

// PP-OCRv5's, with 18,383 characters, has 148 KB.
constexpr size_t kMostBytes = 4 << 20;
constexpr char kFile[] = "inference.yml";

absl::Status Wrong(absl::string_view name, const YAML::Mark& mark,
                   absl::string_view what) {
  return absl::InvalidArgumentError(
      mark.is_null() ? absl::StrCat(name, ": ", what)
                     : absl::StrCat(name, ":", mark.line + 1, ": ", what));
}

// A number of a mapping, if it has it, between two others.
struct Number {
  const char* key;
  double least;
  double most;
};

class Reader {
 public:
  explicit Reader(absl::string_view name) : name_(name) {}

  absl::Status Read(const YAML::Node& document, InferenceYml* yml) {
    if (document.IsNull()) return absl::OkStatus();
    if (!document.IsMap()) return Wrong(name_, document.Mark(), "no mapping");
    const YAML::Node pre = document["PreProcess"];
    for (const YAML::Node& op : pre ? pre["transform_ops"] : pre) {
      const YAML::Node values = op["NormalizeImage"];
      if (!values) continue;
      yml->normalisation.emplace();
      const YAML::Node scale = values["scale"];
      if (scale && scale.Scalar() != "1./255.") {
        return Wrong(name_, scale.Mark(),
                     "NormalizeImage has a scale other than 1./255.");
      }
      absl::Status status =
          Three(values, "mean", -10, &yml->normalisation->mean);
      status.Update(Three(values, "std", 1e-3, &yml->normalisation->deviation));
      if (!status.ok()) return status;
    }
    const YAML::Node post = document["PostProcess"];
    if (!post) return absl::OkStatus();
    if (post["name"] && post["name"].Scalar() == "DBPostProcess") {
      if (absl::Status status = Boxes(post, yml); !status.ok()) return status;
    }
    for (const YAML::Node& character : post["character_dict"]) {
      if (!character.IsScalar()) {
        return Wrong(name_, character.Mark(), "no character");
      }
      absl::StrAppend(&yml->characters, character.Scalar(), "\n");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Boxes(const YAML::Node& post, InferenceYml* yml) const {
    BoxOptions boxes;
    boxes.dilate = false;  // PaddleOCR's own default
    double threshold = boxes.threshold;
    auto most = static_cast<double>(boxes.most);
    absl::Status status = Get(post, {"thresh", 0, 1}, &threshold);
    status.Update(Get(post, {"box_thresh", 0, 1}, &boxes.score));
    status.Update(Get(post, {"unclip_ratio", 0, 10}, &boxes.unclip_ratio));
    status.Update(Get(post, {"max_candidates", 1, 10'000}, &most));
    if (!status.ok()) return status;
    boxes.threshold = static_cast<float>(threshold);
    boxes.most = static_cast<size_t>(most);
    if (post["use_dilation"]) boxes.dilate = post["use_dilation"].as<bool>();
    yml->boxes = boxes;
    return absl::OkStatus();
  }

  absl::Status Check(const YAML::Node& node, const Number& number,
                     double value) const {
    if (value >= number.least && value <= number.most) return absl::OkStatus();
    return Wrong(name_, node.Mark(),
                 absl::StrCat(number.key, " is not between ", number.least,
                              " and ", number.most));
  }

  absl::Status Get(const YAML::Node& mapping, const Number& number,
                   double* value) const {
    const YAML::Node node = mapping[number.key];
    if (!node) return absl::OkStatus();
    *value = node.as<double>();
    return Check(node, number, *value);
  }

  absl::Status Three(const YAML::Node& mapping, const char* key, double least,
                     std::array<double, 3>* values) const {
    const YAML::Node node = mapping[key];
    if (!node) return absl::OkStatus();
    if (!node.IsSequence() || node.size() != values->size()) {
      return Wrong(name_, node.Mark(),
                   absl::StrCat(key, " is not three numbers"));
    }
    for (size_t i = 0; i < values->size(); ++i) {
      (*values)[i] = node[i].as<double>();
      const absl::Status status =
          Check(node[i], {key, least, 10}, (*values)[i]);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const absl::string_view name_;
};

}  // namespace

absl::StatusOr<InferenceYml> ParseInferenceYml(const std::string& text,
                                               absl::string_view name) {
  InferenceYml yml;
  try {
    const YAML::Node document = YAML::Load(text);
    if (absl::Status status = Reader(name).Read(document, &yml); !status.ok()) {
      return status;
    }
  } catch (const YAML::Exception& error) {
    return Wrong(name, error.mark, error.msg);
  }
  return yml;
}

absl::StatusOr<InferenceYml> ReadInferenceYml(const std::string& directory) {
  const std::string path = directory + "/" + kFile;
  std::error_code error;
  if (directory.empty() || !std::filesystem::exists(path, error)) {
    return InferenceYml();
  }
  const auto text = base::ReadFile(path, kMostBytes);
  if (!text.ok()) return text.status();
  return ParseInferenceYml(*text, path);
}

}  // namespace ocr
