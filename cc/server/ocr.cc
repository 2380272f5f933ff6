// `server ocr`: reads pictures, from files to the standard output. It takes the
// settings of `serve`, so that in an image it reads as the image's server does.

#include <unistd.h>

#include <cstddef>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "cc/base/byte_budget.h"
#include "cc/base/json.h"
#include "cc/engine/engine.h"
#include "cc/infer/scan.h"
#include "cc/ocr/pdf.h"
#include "cc/ocr/read_page.h"
#include "cc/ocr/svg.h"
#include "cc/server/commands.h"
#include "cc/server/config.h"
#include "cc/server/model_flags.h"
#include "cc/server/ocr_flags.h"
#include "cc/server/read_file.h"

namespace server {
namespace {

struct OcrCommand {
  std::vector<std::string> files;
  std::string format = "text";
  std::string model_repository = "/models";
  OcrFlags ocr;
  ModelFlags model;
  Config config;
  ocr::Pdf pdf;

  void Register(CLI::App* app) {
    app->add_option("FILE", files, "Pictures; - is the standard input.")
        ->required()
        ->take_all()
        ->default_str("");
    app->add_option("--format", format,
                    "text: lines, and before those of each of several files "
                    "its name; json: for each file a line, as in the answer "
                    "of POST /v1/ocr, with its name; svg: one picture, with "
                    "frames around its lines, and their text beside it; pdf: "
                    "one document, each file a page, with its text to be "
                    "searched and copied.")
        ->check(CLI::IsMember({"text", "json", "svg", "pdf"}));
    app->add_option("--model_repository", model_repository,
                    "Directory with the models, as for `serve`.");
    ocr.Register(app);
    model.Register(app);
    config.Register(app);
  }

  int Run();

 private:
  absl::StatusOr<std::unique_ptr<engine::Engine>> Load(
      const infer::Found& found, const std::string& name,
      std::string* directory) const;
  absl::Status Read(const std::string& file, const ocr::PageModels& models,
                    const ocr::ModelFiles& about,
                    const ocr::PageOptions& options);
  static absl::Status Flush();
};

absl::StatusOr<std::unique_ptr<engine::Engine>> OcrCommand::Load(
    const infer::Found& found, const std::string& name,
    std::string* directory) const {
  const auto versions = found.models.find(name);
  if (versions == found.models.end() || versions->second.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no model \"", name, "\" is in ", model_repository));
  }
  *directory = versions->second.rbegin()->second.directory;
  const auto own = model.Of(*directory);
  if (!own.ok()) return own.status();
  engine::Options options;
  options.model_dir = *directory;
  const infer::Compute compute = own->Compute();
  options.threads = compute.threads;
  options.cpu_engine = compute.cpu_engine;
  auto engine = engine::Engine::Load(options);
  if (!engine.ok()) return engine.status();
  const absl::Status fits =
      ocr::CheckModel(name, (*engine)->inputs(), (*engine)->outputs());
  if (!fits.ok()) return fits;
  return engine;
}

// Of a model with one input. `model` must outlive it.
ocr::Run RunOf(engine::Engine* model) {
  return [model](ocr::Input input) -> absl::StatusOr<infer::Tensor> {
    const std::string_view bytes(
        reinterpret_cast<const char*>(input.values.data()),
        input.values.size() * sizeof(float));
    auto outputs =
        model->RunViews({{model->inputs()[0].name, base::DataType::kFloat32,
                          input.shape, bytes}});
    if (!outputs.ok()) return outputs.status();
    engine::Tensor& first = outputs->front();
    return infer::Tensor{first.name, first.dtype, first.shape,
                         absl::Cord(std::move(first.data))};
  };
}

absl::Status OcrCommand::Read(const std::string& file,
                              const ocr::PageModels& models,
                              const ocr::ModelFiles& about,
                              const ocr::PageOptions& options) {
  absl::StatusOr<std::string> bytes =
      file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {})
                  : ReadFile(file);
  if (!bytes.ok()) return bytes.status();
  const auto of_file = [&](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat(file, ": ", status.message()));
  };
  // On one's own machine there is room.
  base::ByteBudget budget(size_t{1} << 40);
  const auto page = ocr::Open(*bytes, options, &budget);
  if (!page.ok()) return of_file(page.status());
  const auto lines = ocr::ReadPage(*page, models, about, options);
  if (!lines.ok()) return of_file(lines.status());
  if (format == "pdf") {
    const auto added = pdf.AddPage(*bytes, *page, *lines, options);
    if (!added.ok()) return of_file(added.status());
    std::cout << *added;
  } else if (format == "svg") {
    std::cout << ocr::PageSvg(*bytes, *page, *lines, options);
  } else if (format == "json") {
    std::string json = R"({"file":)";
    base::AppendJsonString(file, &json);
    std::cout << json << ',' << ocr::PageJson(*page, *lines, options).substr(1)
              << '\n';
  } else {
    if (files.size() > 1) std::cout << "== " << file << '\n';
    for (const ocr::TextLine& line : *lines) {
      if (line.score >= options.score) std::cout << line.text << '\n';
    }
  }
  return Flush();
}

absl::Status OcrCommand::Flush() {
  return std::cout.flush()
             ? absl::OkStatus()
             : absl::DataLossError("cannot write standard output");
}

int OcrCommand::Run() {
  // The environment and the file may have more settings of the server.
  const absl::Status filled =
      config.Fill(EnvironmentOf("self"), Config::Unknown::kIgnored);
  if (!filled.ok()) return WrongUsage(filled, "ocr");
  const auto options = ocr.Options();
  if (!options.ok()) return WrongUsage(options.status(), "ocr");
  if (!options->has_value()) {
    return WrongUsage(
        absl::InvalidArgumentError(
            "which models? --ocr_detector and --ocr_recogniser name them"),
        "ocr");
  }
  if (format == "svg" && files.size() > 1) {
    return WrongUsage(
        absl::InvalidArgumentError("--format=svg is for one picture"), "ocr");
  }
  if (format == "pdf" && isatty(STDOUT_FILENO) != 0) {
    return WrongUsage(absl::InvalidArgumentError(
                          "a PDF is not for a terminal: ... > pages.pdf"),
                      "ocr");
  }
  const auto found = infer::Scan(model_repository);
  if (!found.ok()) return Failed(found.status());
  std::string detector_files, recogniser_files, classifier_files;
  const auto detector = Load(*found, (*options)->detector, &detector_files);
  if (!detector.ok()) return Failed(detector.status());
  const auto recogniser =
      Load(*found, (*options)->recogniser, &recogniser_files);
  if (!recogniser.ok()) return Failed(recogniser.status());
  ocr::PageModels models{RunOf(detector->get()),
                         RunOf(recogniser->get()),
                         {},
                         ocr::FormOf((*recogniser)->inputs()[0].shape)};
  std::unique_ptr<engine::Engine> classifier;
  if (!(*options)->classifier.empty()) {
    auto loaded = Load(*found, (*options)->classifier, &classifier_files);
    if (!loaded.ok()) return Failed(loaded.status());
    classifier = *std::move(loaded);
    models.classifier = RunOf(classifier.get());
  }
  const ocr::PageOptions& page = (*options)->page;
  const auto about = ocr::ReadFiles(detector_files, recogniser_files, page);
  if (!about.ok()) return Failed(about.status());
  int failed = 0;
  for (const std::string& file : files) {
    const absl::Status status = Read(file, models, *about, page);
    if (!status.ok()) failed = Failed(status);
  }
  if (format == "pdf") {
    std::cout << pdf.End();
    const absl::Status status = Flush();
    if (!status.ok()) failed = Failed(status);
  }
  return failed;
}

}  // namespace

Command AddOcr(CLI::App* program) {
  CLI::App* app = program->add_subcommand(
      "ocr", "Reads the text of pictures, from files to the standard output.");
  const auto command = std::make_shared<OcrCommand>();
  command->Register(app);
  return {app, [command] { return command->Run(); }};
}

}  // namespace server
