// The models of another repository, and `ocr` beside them, which reads pictures
// by them.
#ifndef CC_OCR_REPOSITORY_H_
#define CC_OCR_REPOSITORY_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/infer/repository.h"
#include "cc/ocr/reader.h"

namespace ocr {

// On the loop's thread.
class Repository : public infer::Repository {
 public:
  // `models` must outlive it, and are what the reader has its models from.
  Repository(infer::Repository* models, std::shared_ptr<Reader> reader)
      : models_(models), reader_(std::move(reader)) {}

  absl::StatusOr<std::shared_ptr<infer::Servable>> Find(
      absl::string_view name, absl::string_view version) const override {
    if (name != Name()) return models_->Find(name, version);
    if (!version.empty() && version != reader_->info().version) {
      return absl::NotFoundError(
          absl::StrCat("the model \"", name, "\" has the version ",
                       reader_->info().version, " only"));
    }
    return reader_;
  }
  std::vector<std::string> Versions(absl::string_view name) const override {
    if (name != Name()) return models_->Versions(name);
    return {reader_->info().version};
  }
  std::vector<infer::IndexEntry> Index() const override {
    std::vector<infer::IndexEntry> index = models_->Index();
    const absl::Status status = reader_->Ready();
    index.push_back({Name(), reader_->info().version,
                     status.ok() ? infer::State::kReady : infer::State::kFailed,
                     std::string(status.message())});
    return index;
  }
  bool ready() const override { return models_->ready(); }
  // It goes with its models.
  void Load(const std::string& name,
            std::function<void(const absl::Status&)> done) override {
    models_->Load(name, std::move(done));
  }
  absl::Status Unload(const std::string& name) override {
    return models_->Unload(name);
  }

 private:
  const std::string& Name() const { return reader_->info().name; }

  infer::Repository* const models_;
  const std::shared_ptr<Reader> reader_;
};

}  // namespace ocr

#endif  // CC_OCR_REPOSITORY_H_
