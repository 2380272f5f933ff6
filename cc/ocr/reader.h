// Reads the text of pictures: a pipeline of models that the server has. One
// finds lines in a picture, another reads them; a third, if there is one, says
// which of them stand on their heads.
//
// Its parts are the requests of any client to these models: their instances
// are as many as the server's flags say for each, and lines of all pictures
// that are read at a time are computed together where the recogniser's bits
// are equal alone and in company. A picture's answer does not depend on what
// else is read.
#ifndef CC_OCR_READER_H_
#define CC_OCR_READER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/base/byte_budget.h"
#include "cc/base/helper_thread.h"
#include "cc/base/loop.h"
#include "cc/base/metrics.h"
#include "cc/infer/repository.h"
#include "cc/infer/servable.h"
#include "cc/ocr/model_files.h"
#include "cc/ocr/page.h"

namespace ocr {

struct Reading;

struct ReaderOptions {
  // Names of models in the server's repository.
  std::string detector;
  std::string recogniser;
  std::string classifier;  // empty: lines are taken to stand upright
  PageOptions page;
  // Of one request.
  int64_t max_pictures = 16;
  // That are read at the same time, and that wait for it.
  size_t max_active = 8;
  size_t max_queue = 256;
};

// Those that a picture is read with, to its end.
struct ReaderModels {
  std::shared_ptr<infer::Servable> detector;
  std::shared_ptr<infer::Servable> recogniser;
  std::shared_ptr<infer::Servable> classifier;  // nullptr: none
  LineForm form;                                // of the recogniser
  std::shared_ptr<const ModelFiles> files;      // nullptr: not read yet
};

// The model `ocr`. It takes `image`, BYTES [n]: pictures as files have them. It
// gives of each
//
//   page          BYTES [n]: its lines as JSON, see page.h
//   milliseconds  FP32 [n,3]: to decode it, to find lines, to read them
//
// On the loop's thread.
class Reader : public infer::Servable {
 public:
  // All must outlive it.
  Reader(base::Loop* loop, const infer::Repository* models,
         base::ByteBudget* budget, base::Registry* registry,
         ReaderOptions options);
  ~Reader() override;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const infer::ModelInfo& info() const override { return info_; }
  // What its models say, where one of them is not ready.
  absl::Status Ready() const override;
  void Start(std::shared_ptr<infer::Call> call) override;

 private:
  friend struct Reading;

  // What is served now. FAILED_PRECONDITION: models that are no such ones.
  absl::StatusOr<ReaderModels> FindModels() const;
  void BeginWaiting();
  void OnEnded();

  base::Loop* const loop_;
  const infer::Repository* const models_;
  base::ByteBudget* const budget_;
  const ReaderOptions options_;
  infer::ModelInfo info_;
  base::HelperThread helper_;
  struct Series;
  const std::unique_ptr<Series> series_;
  std::deque<std::shared_ptr<Reading>> waiting_;
  size_t active_ = 0;
  // And the models that they were read for.
  std::shared_ptr<const ModelFiles> files_;
  std::weak_ptr<infer::Servable> detector_of_files_;
  std::weak_ptr<infer::Servable> recogniser_of_files_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ocr

#endif  // CC_OCR_READER_H_
