// The extension module paddle_engine._ocr: //cc/ocr for Python. Its types are
// in _ocr.pyi. It has no engine: ocr.py gives it functions that run models, and
// NumPy's arrays are all that passes between this module and _engine.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cc/base/tensor_spec.h"
#include "cc/bindings/numpy.h"
#include "cc/infer/tensor.h"
#include "cc/ocr/model_files.h"
#include "cc/ocr/page.h"
#include "cc/ocr/page_settings.h"
#include "cc/ocr/read_page.h"
#include "pybind11/numpy.h"
#include "pybind11/pybind11.h"
#include "pybind11/stl.h"

namespace py = pybind11;

namespace {

using bindings::Raise;

// Lives as long as the process.
PyObject* engine_error;

// What was given is wrong, whatever the code says of who is to blame.
[[noreturn]] void RaiseValueError(const absl::Status& status) {
  Raise(PyExc_ValueError, std::string(status.message()));
}

// The array takes over the values; its base is the capsule that frees them.
py::array ToNumpy(ocr::Input input) {
  auto values = std::make_unique<std::vector<float>>(std::move(input.values));
  const float* data = values->data();
  py::capsule owner(values.get(), [](void* p) {
    delete static_cast<std::vector<float>*>(p);
  });
  values.release();
  return py::array_t<float>(input.shape, data, owner);
}

base::DataType TypeOf(const py::dtype& dtype) {
  const std::optional<base::DataType> type = bindings::FromNumpy(dtype);
  if (!type) {
    Raise(PyExc_TypeError, absl::StrCat("no model has arrays of ",
                                        std::string(py::repr(dtype))));
  }
  return *type;
}

// The tensor holds the array, whose bytes are its own.
infer::Tensor ToTensor(const py::array& given) {
  const py::array array = py::array::ensure(given, py::array::c_style);
  if (!array) throw py::error_already_set();
  infer::Tensor tensor;
  tensor.dtype = TypeOf(array.dtype());
  tensor.shape.assign(array.shape(), array.shape() + array.ndim());
  auto* held = new py::array(array);
  tensor.data =
      absl::MakeCordFromExternal({static_cast<const char*>(array.data()),
                                  static_cast<size_t>(array.nbytes())},
                                 [held](absl::string_view) {
                                   py::gil_scoped_acquire acquire;
                                   delete held;
                                 });
  return tensor;
}

// `run` takes an array and gives one. It must outlive what is returned, which
// is called without the GIL.
ocr::Run RunOf(const py::function& run) {
  return [&run](ocr::Input input) -> absl::StatusOr<infer::Tensor> {
    py::gil_scoped_acquire acquire;
    try {
      return ToTensor(run(ToNumpy(std::move(input))).cast<py::array>());
    } catch (py::error_already_set& error) {
      if (!error.matches(engine_error) && !error.matches(PyExc_ValueError)) {
        throw;
      }
      return absl::InternalError(py::str(error.value()).cast<std::string>());
    }
  };
}

std::vector<base::TensorSpec> Specs(const py::iterable& specs) {
  std::vector<base::TensorSpec> result;
  for (const py::handle spec : specs) {
    base::TensorSpec one;
    one.dtype = TypeOf(spec.attr("dtype").cast<py::dtype>());
    one.shape = spec.attr("shape").cast<std::vector<int64_t>>();
    result.push_back(std::move(one));
  }
  return result;
}

void CheckModel(const std::string& name, const py::iterable& inputs,
                const py::iterable& outputs) {
  const absl::Status status =
      ocr::CheckModel(name, Specs(inputs), Specs(outputs));
  if (!status.ok()) RaiseValueError(status);
}

// What surrounds the models' runs. Nothing of it changes: for any thread.
class Pipeline {
 public:
  Pipeline(const ocr::PageOptions& options, const std::string& detector,
           const std::string& recogniser,
           const std::vector<int64_t>& line_shape)
      : options_(options), form_(ocr::FormOf(line_shape)) {
    auto files = ocr::ReadFiles(detector, recogniser, options_);
    if (!files.ok()) Raise(files.status(), engine_error);
    files_ = std::make_unique<ocr::ModelFiles>(*std::move(files));
  }

  // JSON as the server answers, and the milliseconds of the three steps.
  py::tuple Read(const py::bytes& file, const py::function& detect,
                 const py::function& recognise,
                 const std::optional<py::function>& classify) const {
    const auto bytes = py::cast<std::string_view>(file);
    const ocr::PageModels models{RunOf(detect), RunOf(recognise),
                                 classify ? RunOf(*classify) : ocr::Run(),
                                 form_};
    absl::StatusOr<ocr::Page> page;
    absl::StatusOr<std::vector<ocr::TextLine>> lines;
    std::chrono::duration<double, std::milli> decode{};
    ocr::PageTimes times;
    std::string json;
    {
      py::gil_scoped_release release;
      const auto begun = std::chrono::steady_clock::now();
      page = ocr::Open({bytes.data(), bytes.size()}, options_, nullptr);
      decode = std::chrono::steady_clock::now() - begun;
      if (page.ok()) {
        lines = ocr::ReadPage(*page, models, *files_, options_, &times);
      }
      if (page.ok() && lines.ok()) {
        json = ocr::PageJson(*page, *lines, options_);
      }
    }
    if (absl::IsInvalidArgument(page.status()) ||
        absl::IsOutOfRange(page.status())) {
      RaiseValueError(page.status());
    }
    if (!page.ok()) Raise(engine_error, std::string(page.status().message()));
    if (!lines.ok()) Raise(engine_error, std::string(lines.status().message()));
    return py::make_tuple(
        json, py::make_tuple(decode.count(), times.detect, times.read));
  }

 private:
  const ocr::PageOptions options_;
  const ocr::LineForm form_;
  std::unique_ptr<const ocr::ModelFiles> files_;
};

ocr::PageOptions Checked(const ocr::PageSettings& settings) {
  const auto options = settings.Options();
  if (!options.ok()) RaiseValueError(options.status());
  return *options;
}

}  // namespace

PYBIND11_MODULE(_ocr, module) {
  engine_error =
      py::object(
          py::module_::import("paddle_engine._engine").attr("EngineError"))
          .release()
          .ptr();
  const ocr::PageSettings defaults;
  module.attr("LIMIT") = defaults.limit;
  module.attr("SIDE") = defaults.side;
  module.attr("LONGEST_SIDE") = defaults.longest_side;
  module.attr("MIN_SCORE") = defaults.min_score;

  py::options options;
  options.disable_function_signatures();  // _ocr.pyi has better ones
  py::class_<ocr::PageOptions>(module, "Settings", py::module_local(),
                               py::is_final(), "How pages are read.")
      .def(py::init([](std::string limit, int64_t side, int64_t longest_side,
                       std::optional<double> box_score,
                       std::optional<double> unclip_ratio, double min_score) {
             return Checked({std::move(limit), side, longest_side, box_score,
                             unclip_ratio, min_score});
           }),
           py::kw_only(), py::arg("limit"), py::arg("side"),
           py::arg("longest_side"), py::arg("box_score"),
           py::arg("unclip_ratio"), py::arg("min_score"));
  py::class_<Pipeline>(module, "Pipeline", py::module_local(), py::is_final(),
                       "What surrounds the runs of models; see ocr.py.")
      .def(py::init<const ocr::PageOptions&, const std::string&,
                    const std::string&, const std::vector<int64_t>&>(),
           py::arg("settings"), py::arg("detector"), py::arg("recogniser"),
           py::arg("line_shape"))
      .def("read", &Pipeline::Read, py::arg("file"), py::arg("detect"),
           py::arg("recognise"), py::arg("classify").none(true),
           "The server's JSON of a page, and what its steps took.");
  module.def("check_model", &CheckModel, py::arg("name"), py::arg("inputs"),
             py::arg("outputs"), "Raises where a model takes no pictures.");
}
