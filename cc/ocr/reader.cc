#include "cc/ocr/reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "cc/base/clock.h"
#include "cc/infer/byte_elements.h"
#include "cc/infer/call.h"
#include "cc/infer/tensor.h"

namespace ocr {

using base::Clock;

namespace {

// Of one page's batches that wait for the recogniser: all at once, the last
// would wait as long as the page takes, and on a slow machine longer than
// anything may wait (--queue_timeout_ms).
constexpr size_t kBatchesAhead = 2;

// What clients are told the time of.
enum Step { kDecodeStep, kDetectStep, kReadStep, kSteps };

// What metrics and traces tell: a model's stage has its queue in it.
enum Stage { kDecode, kDetect, kFind, kTurn, kRead, kText, kStages };

struct StageInfo {
  const char* name;
  Step step;
};
constexpr std::array<StageInfo, kStages> kStageInfos = {{
    {"picture", kDecodeStep},
    {"detector", kDetectStep},
    {"boxes", kDetectStep},
    {"classifier", kReadStep},
    {"recogniser", kReadStep},
    {"text", kReadStep},
}};

// What became of a picture.
enum Outcome { kWasRead, kFailed, kAbandoned, kOutcomes };

constexpr std::array<const char*, kOutcomes> kOutcomeNames = {"read", "failed",
                                                              "abandoned"};

// Nobody copies what a model gets: it is as large as the pictures.
absl::Cord CordOf(std::vector<float> values) {
  const auto owned = std::make_shared<std::vector<float>>(std::move(values));
  const absl::string_view bytes(reinterpret_cast<const char*>(owned->data()),
                                owned->size() * sizeof(float));
  return absl::MakeCordFromExternal(bytes, [owned] {});
}

infer::Tensor Bytes(std::string name, const std::vector<std::string>& texts) {
  infer::Tensor tensor{std::move(name),
                       base::DataType::kBytes,
                       {static_cast<int64_t>(texts.size())},
                       {}};
  for (const std::string& text : texts) {
    infer::AppendElement(absl::Cord(text), &tensor.data);
  }
  return tensor;
}

}  // namespace

struct Reader::Series {
  explicit Series(base::Registry* registry)
      : lines(registry
                  ->AddCounter("paddle_server_ocr_lines_total",
                               "Lines of text that were read.", {})
                  .With({})) {
    auto& of_outcomes = registry->AddCounter(
        "paddle_server_ocr_pages_total",
        "Pictures that were read, or were not.", {"outcome"});
    for (size_t i = 0; i < kOutcomes; ++i) {
      pages[i] = of_outcomes.With({kOutcomeNames[i]});
    }
    auto& of_stages = registry->AddHistogram(
        "paddle_server_ocr_stage_duration_seconds",
        "Time of one picture in each stage of reading it, with the time that "
        "it waits for a model in it.",
        {"stage"}, base::DurationBounds());
    for (size_t i = 0; i < kStages; ++i) {
      durations[i] = of_stages.With({kStageInfos[i].name});
    }
  }

  std::array<std::shared_ptr<base::Counter>, kOutcomes> pages;
  const std::shared_ptr<base::Counter> lines;
  std::array<std::shared_ptr<base::Histogram>, kStages> durations;
};

// One call, which may have several pictures.
struct Job {
  std::shared_ptr<infer::Call> call;
  std::vector<std::string> pages;
  std::vector<float> milliseconds;
  size_t left = 0;     // pictures that are not read
  bool begun = false;  // with the first of them

  void Finish() const {
    const std::vector<infer::Tensor> all = {
        Bytes("page", pages),
        {"milliseconds",
         base::DataType::kFloat32,
         {static_cast<int64_t>(pages.size()), kSteps},
         CordOf(milliseconds)}};
    std::vector<infer::Tensor> outputs;
    for (const std::string& name : call->request.outputs) {
      outputs.push_back(*infer::Find(all, name));
    }
    infer::Timing& timing = call->timing;
    timing.compute = Clock::now() - timing.arrival - timing.queue;
    timing.batch_calls = 1;
    timing.batch_rows = static_cast<int64_t>(pages.size());
    call->Finish(absl::OkStatus(), outputs.empty() ? all : std::move(outputs));
  }
};

// One picture on its way. Everything but what `Reader::helper_` is given is on
// the loop's thread.
struct Reading : std::enable_shared_from_this<Reading> {
  Reading(Reader* reader, std::shared_ptr<Job> job, size_t index,
          absl::Cord file)
      : reader_(reader),
        alive_(reader->alive_),
        job_(std::move(job)),
        index_(index),
        file_(std::move(file)) {}

  // Whether there is still somebody who waits for it.
  bool wanted() const { return !job_->call->cancelled(); }

  void Begin() {
    const auto deadline = job_->call->deadline;
    if (deadline && *deadline <= Clock::now()) {
      return Fail(absl::DeadlineExceededError(
          "the request's timeout has passed while it waited"));
    }
    auto models = reader_->FindModels();
    if (!models.ok()) return Fail(models.status());
    models_ = *std::move(models);
    begun_ = Clock::now();
    if (!std::exchange(job_->begun, true)) {
      job_->call->timing.queue = begun_ - job_->call->timing.arrival;
    }
    Help(
        [this] {
          if (models_.files == nullptr) {
            auto files =
                ReadFiles(models_.detector->info().directory,
                          models_.recogniser->info().directory, options());
            status_ = files.status();
            if (!files.ok()) return;
            models_.files =
                std::make_shared<const ModelFiles>(*std::move(files));
          }
          auto page = Open(file_.Flatten(), options(), reader_->budget_);
          if (page.ok()) {
            page_ = *std::move(page);
            input_ = DetectorInput(page_, models_.files->normalisation);
          }
          status_ = page.status();
        },
        [this] {
          file_.Clear();
          reader_->files_ = models_.files;
          reader_->detector_of_files_ = models_.detector;
          reader_->recogniser_of_files_ = models_.recogniser;
          Next(kDecode);
          Detect();
        });
  }

 private:
  const PageOptions& options() const { return reader_->options_.page; }

  // Whether there are lines that may stand on their heads.
  bool to_turn() const {
    return models_.classifier != nullptr && !lines_.empty();
  }

  // `work` in the helper thread, which sets status_; then, if all is well,
  // `done`.
  void Help(std::function<void()> work, std::function<void()> done) {
    const bool taken = reader_->helper_.Run(
        std::move(work), [self = shared_from_this(), done = std::move(done)] {
          if (self->alive_.expired() || self->ended_) return;
          if (!self->wanted()) return self->End(kAbandoned);
          if (!self->status_.ok()) return self->Fail(self->status_);
          done();
        });
    if (!taken) {
      Fail(absl::ResourceExhaustedError("too many pictures are being read"));
    }
  }

  // Asks a model for its first output.
  void Ask(const char* what, const std::shared_ptr<infer::Servable>& model,
           Input input, std::function<void(infer::Tensor)> done) {
    infer::Request request;
    request.inputs.push_back({model->info().inputs[0].name,
                              base::DataType::kFloat32, std::move(input.shape),
                              CordOf(std::move(input.values))});
    request.outputs = {model->info().outputs[0].name};
    request.priority = job_->call->request.priority;
    if (const auto deadline = job_->call->deadline) {
      // Zero would be none.
      request.timeout = std::max<Clock::duration>(*deadline - Clock::now(),
                                                  Clock::duration(1));
    }
    auto call = std::make_shared<infer::Call>(
        std::move(request), [self = shared_from_this(), what,
                             done = std::move(done)](infer::Call* finished) {
          if (self->alive_.expired() || self->ended_) return;
          if (!self->wanted()) return self->End(kAbandoned);
          if (!finished->status.ok()) {
            return self->Fail(Named(what, finished->status));
          }
          done(std::move(finished->outputs[0]));
        });
    model->Start(std::move(call));
  }

  void Detect() {
    Ask("detector", models_.detector, std::move(input_),
        [this](infer::Tensor map) {
          Next(kDetect);
          answers_ = {std::move(map)};
          Help(
              [this] {
                auto lines =
                    FindLines(page_, answers_[0], models_.files->boxes);
                status_ = Named("detector", lines.status());
                if (lines.ok()) lines_ = *std::move(lines);
                if (to_turn()) {
                  input_ = ClassifierInput(lines_);
                } else {
                  batches_ = RecogniserBatches(lines_, models_.form);
                }
              },
              [this] {
                Next(kFind);
                if (to_turn()) return Turn();
                Read();
              });
        });
  }

  void Turn() {
    Ask("classifier", models_.classifier, std::move(input_),
        [this](infer::Tensor scores) {
          Next(kTurn);
          answers_ = {std::move(scores)};
          Help(
              [this] {
                status_ = Named("classifier",
                                TurnLines(answers_[0], options(), &lines_));
                batches_ = RecogniserBatches(lines_, models_.form);
              },
              [this] { Read(); });
        });
  }

  void Read() {
    left_ = batches_.size();
    if (left_ == 0) return Finish();
    answers_.assign(left_, {});
    asked_ = 0;
    for (size_t i = 0; i < kBatchesAhead; ++i) ReadNext();
  }

  void ReadNext() {
    if (asked_ == batches_.size()) return;
    const size_t i = asked_++;
    Ask("recogniser", models_.recogniser, std::move(batches_[i].input),
        [this, i](infer::Tensor scores) {
          answers_[i] = std::move(scores);
          ReadNext();
          if (--left_ > 0) return;
          Next(kRead);
          Decode();
        });
  }

  void Decode() {
    Help(
        [this] {
          for (size_t i = 0; i < batches_.size() && status_.ok(); ++i) {
            status_ = Named("recogniser",
                            ReadLines(answers_[i], models_.files->labels,
                                      batches_[i], &lines_));
          }
        },
        [this] {
          Next(kText);
          Finish();
        });
  }

  void Finish() {
    job_->pages[index_] = PageJson(page_, lines_, options());
    reader_->series_->lines->Add(lines_.size());
    End(kWasRead);
    if (--job_->left == 0) job_->Finish();
  }

  // The first of a call's pictures that fails is what the client is told of.
  void Fail(const absl::Status& status) {
    const absl::Status told =
        job_->pages.size() == 1
            ? status
            : absl::Status(status.code(), absl::StrCat("picture ", index_ + 1,
                                                       ": ", status.message()));
    job_->call->Finish(told);
    End(kFailed);
  }

  // Others may begin.
  void End(Outcome outcome) {
    if (std::exchange(ended_, true)) return;
    page_ = Page();
    reader_->series_->pages[outcome]->Add();
    reader_->OnEnded();
  }

  // A stage is over.
  void Next(Stage stage) {
    const auto now = Clock::now();
    const StageInfo& info = kStageInfos[stage];
    job_->milliseconds[index_ * kSteps + info.step] +=
        std::chrono::duration<float, std::milli>(now - begun_).count();
    reader_->series_->durations[stage]->Observe(base::Seconds(now - begun_));
    job_->call->timing.stages.push_back({info.name, begun_, now});
    begun_ = now;
  }

  Reader* const reader_;
  const std::weak_ptr<const bool> alive_;
  const std::shared_ptr<Job> job_;
  const size_t index_;
  absl::Cord file_;
  ReaderModels models_;
  Clock::time_point begun_;
  absl::Status status_;
  Page page_;
  Input input_;
  std::vector<infer::Tensor> answers_;
  std::vector<TextLine> lines_;
  std::vector<Batch> batches_;
  size_t asked_ = 0;  // batches that are read, or are being read
  size_t left_ = 0;   // batches that are not read
  bool ended_ = false;
};

Reader::Reader(base::Loop* loop, const infer::Repository* models,
               base::ByteBudget* budget, base::Registry* registry,
               ReaderOptions options)
    : loop_(loop),
      models_(models),
      budget_(budget),
      options_(std::move(options)),
      helper_(loop, options_.max_active),
      series_(std::make_unique<Series>(registry)) {
  info_.name = "ocr";
  info_.version = "1";
  info_.platform = "paddle_ocr";
  info_.inputs = {{"image", base::DataType::kBytes, {-1}}};
  info_.outputs = {{"page", base::DataType::kBytes, {-1}},
                   {"milliseconds", base::DataType::kFloat32, {-1, kSteps}}};
  info_.max_batch_size = options_.max_pictures;
  info_.batching_reason =
      "lines are, where the recogniser's bits are equal alone and in company";
}

Reader::~Reader() = default;

absl::Status Reader::Ready() const {
  const auto models = FindModels();
  if (!models.ok()) return models.status();
  for (const auto& model :
       {models->detector, models->recogniser, models->classifier}) {
    if (model == nullptr) continue;
    if (absl::Status ready = model->Ready(); !ready.ok()) return ready;
  }
  return absl::OkStatus();
}

absl::StatusOr<ReaderModels> Reader::FindModels() const {
  ReaderModels models;
  for (const auto& [name, model] :
       {std::pair(&options_.detector, &models.detector),
        std::pair(&options_.recogniser, &models.recogniser),
        std::pair(&options_.classifier, &models.classifier)}) {
    if (name->empty()) continue;
    auto found = models_->Find(*name, "");
    if (!found.ok()) return found.status();
    *model = *std::move(found);
    const infer::ModelInfo& info = (*model)->info();
    if (absl::Status status = CheckModel(*name, info.inputs, info.outputs);
        !status.ok()) {
      return status;
    }
  }
  models.form = FormOf(models.recogniser->info().inputs[0].shape);
  if (detector_of_files_.lock() == models.detector &&
      recogniser_of_files_.lock() == models.recogniser) {
    models.files = files_;
  }
  return models;
}

void Reader::Start(std::shared_ptr<infer::Call> call) {
  std::vector<absl::Cord> pictures =
      infer::ElementsOf(call->request.inputs[0].data);
  call->request.inputs.clear();
  if (waiting_.size() + pictures.size() > options_.max_queue) {
    return loop_->Defer([call] {
      call->Finish(absl::ResourceExhaustedError("too many pictures wait"));
    });
  }
  auto job = std::make_shared<Job>();
  job->call = std::move(call);
  job->left = pictures.size();
  job->pages.resize(pictures.size());
  job->milliseconds.resize(pictures.size() * kSteps);
  for (size_t i = 0; i < pictures.size(); ++i) {
    waiting_.push_back(
        std::make_shared<Reading>(this, job, i, std::move(pictures[i])));
  }
  loop_->Defer([this, alive = std::weak_ptr<const bool>(alive_)] {
    if (!alive.expired()) BeginWaiting();
  });
}

void Reader::BeginWaiting() {
  while (active_ < options_.max_active && !waiting_.empty()) {
    const std::shared_ptr<Reading> next = std::move(waiting_.front());
    waiting_.pop_front();
    if (!next->wanted()) continue;
    ++active_;
    next->Begin();
  }
}

void Reader::OnEnded() {
  --active_;
  loop_->Defer([this, alive = std::weak_ptr<const bool>(alive_)] {
    if (!alive.expired()) BeginWaiting();
  });
}

}  // namespace ocr
