// The extension module paddle_engine._engine: //cc/engine for Python. Its types
// are in _engine.pyi; __init__.py has loaded libpaddle.so before.
#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cc/base/cpu_engine.h"
#include "cc/base/data_type.h"
#include "cc/bindings/numpy.h"
#include "cc/engine/engine.h"
#include "cc/engine/gpu_report.h"
#include "pybind11/numpy.h"
#include "pybind11/pybind11.h"
#include "pybind11/stl.h"

namespace py = pybind11;

namespace {

// Lives as long as the process.
PyObject* engine_error;

using bindings::FromNumpy;
using bindings::Raise;

[[noreturn]] void Raise(const absl::Status& status) {
  Raise(status, engine_error);
}

py::dtype ToDtype(engine::DataType type) {
  return py::dtype(base::NumpyName(type));
}

// The array takes over the bytes; its base is the capsule that frees them.
py::array ToNumpy(engine::Tensor tensor) {
  auto data = std::make_unique<std::string>(std::move(tensor.data));
  char* bytes = data->data();
  py::capsule owner(data.get(),
                    [](void* p) { delete static_cast<std::string*>(p); });
  data.release();
  return py::array(ToDtype(tensor.dtype), tensor.shape, bytes, owner);
}

struct Spec {
  std::string name;
  py::dtype dtype;
  py::tuple shape;
  int lod_level;
  std::optional<std::pair<int64_t, int64_t>> range;

  explicit Spec(const engine::TensorSpec& spec)
      : name(spec.name),
        dtype(ToDtype(spec.dtype)),
        shape(py::cast(spec.shape)),
        lod_level(spec.lod_level) {
    if (spec.range) range.emplace(spec.range->min, spec.range->max);
  }

  std::string Repr() const {
    return absl::StrCat(
        "TensorSpec(name=", std::string(py::repr(py::str(name))),
        ", dtype=", std::string(py::repr(dtype)),
        ", shape=", std::string(py::repr(shape)),
        lod_level > 0 ? absl::StrCat(", lod_level=", lod_level) : "",
        range
            ? absl::StrCat(", range=(", range->first, ", ", range->second, ")")
            : "",
        ")");
  }
};

// An array and the offsets that cut its rows into sequences.
struct LoDTensor {
  py::array data;
  engine::Lod lod;

  std::string Repr() const {
    return absl::StrCat("LoDTensor(", std::string(py::repr(data)),
                        ", lod=", std::string(py::repr(Levels())), ")");
  }

  py::tuple Levels() const {
    py::tuple levels(lod.size());
    for (size_t i = 0; i < lod.size(); ++i) {
      levels[i] = py::tuple(py::cast(lod[i]));
    }
    return levels;
  }
};

py::tuple Specs(const std::vector<engine::TensorSpec>& specs) {
  py::tuple result(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    result[i] = py::cast(Spec(specs[i]));
  }
  return result;
}

class Engine {
 public:
  Engine(const py::object& model_dir, int threads,
         const std::string& cpu_engine) {
    engine::Options options;
    options.model_dir =
        py::module_::import("os").attr("fspath")(model_dir).cast<std::string>();
    options.threads = threads;
    const auto named = base::CpuEngineOf(cpu_engine);
    if (!named) {
      Raise(PyExc_ValueError,
            absl::StrCat("cpu_engine is ", cpu_engine, ", it must be one of ",
                         absl::StrJoin(base::kCpuEngines, ", ")));
    }
    options.cpu_engine = *named;
    absl::StatusOr<std::unique_ptr<engine::Engine>> engine;
    {
      py::gil_scoped_release release;
      engine = engine::Engine::Load(options);
    }
    if (!engine.ok()) Raise(engine.status());
    engine_ = *std::move(engine);
  }

  ~Engine() {
    py::gil_scoped_release release;
    engine_.reset();
  }

  std::unique_ptr<Engine> Clone() {
    absl::StatusOr<std::unique_ptr<engine::Engine>> clone;
    {
      py::gil_scoped_release release;
      clone = engine_->Clone();
    }
    if (!clone.ok()) Raise(clone.status());
    return std::unique_ptr<Engine>(new Engine(*std::move(clone)));
  }

  void Release() {
    absl::Status status;
    {
      py::gil_scoped_release release;
      status = engine_->Release();
    }
    if (!status.ok()) Raise(status);
  }

  py::tuple inputs() const { return Specs(engine_->inputs()); }
  py::tuple outputs() const { return Specs(engine_->outputs()); }

  py::dict Run(const py::dict& inputs) {
    std::vector<engine::TensorView> views;
    std::vector<py::array> arrays;  // keeps the bytes
    for (const auto& [key, value] : inputs) {
      if (!py::isinstance<py::str>(key)) {
        Raise(PyExc_TypeError, "the name of an input must be a str");
      }
      const std::string name = py::cast<std::string>(key);
      py::object data = py::reinterpret_borrow<py::object>(value);
      engine::Lod lod;
      if (py::isinstance<LoDTensor>(value)) {
        const auto& sequences = value.cast<const LoDTensor&>();
        data = sequences.data;
        lod = sequences.lod;
      } else if (!py::isinstance<py::array>(value)) {
        Raise(PyExc_TypeError,
              absl::StrCat("input ", name,
                           ": a numpy.ndarray or LoDTensor is needed, not ",
                           Py_TYPE(value.ptr())->tp_name));
      }
      // The array itself where its elements lie in order, else a copy.
      py::array array = py::array::ensure(data, py::array::c_style);
      if (!array) throw py::error_already_set();
      const std::optional<engine::DataType> type = FromNumpy(array.dtype());
      if (!type) {
        Raise(PyExc_ValueError,
              absl::StrCat("input ", name, ": no model takes arrays of ",
                           std::string(py::repr(array.dtype()))));
      }
      views.push_back({name,
                       *type,
                       {array.shape(), array.shape() + array.ndim()},
                       {static_cast<const char*>(array.data()),
                        static_cast<size_t>(array.nbytes())},
                       std::move(lod)});
      arrays.push_back(std::move(array));
    }
    absl::StatusOr<std::vector<engine::Tensor>> outputs;
    {
      // Another thread may have the instance, and want the GIL.
      py::gil_scoped_release release;
      outputs = engine_->RunViews(views);
    }
    if (!outputs.ok()) Raise(outputs.status());
    py::dict result;
    for (engine::Tensor& output : *outputs) {
      const py::str name(output.name);
      engine::Lod lod = std::move(output.lod);
      py::array data = ToNumpy(std::move(output));
      if (lod.empty()) {
        result[name] = std::move(data);
      } else {
        result[name] = py::cast(LoDTensor{std::move(data), std::move(lod)});
      }
    }
    return result;
  }

 private:
  explicit Engine(std::unique_ptr<engine::Engine> engine)
      : engine_(std::move(engine)) {}

  std::unique_ptr<engine::Engine> engine_;
};

// Gives Python each line when it is whole.
class Lines : public std::streambuf {
 public:
  explicit Lines(const py::function& say) : say_(say) {}

 protected:
  int overflow(int c) override {
    if (c == '\n') {
      say_(line_);
      line_.clear();
    } else if (c != traits_type::eof()) {
      line_.push_back(static_cast<char>(c));
    }
    return 0;
  }

 private:
  const py::function& say_;
  std::string line_;
};

int ReportGpus(const py::function& run_model, const py::function& say) {
  engine::GpuCheck check;
  check.paddle_version = engine::PaddleVersion();
  check.engine_has_cuda = engine::BuiltWithCuda();
  check.run_model = [&](int gpu) -> absl::StatusOr<std::string> {
    try {
      return run_model(gpu).cast<std::string>();
    } catch (py::error_already_set& error) {
      if (!error.matches(engine_error)) throw;
      return absl::InternalError(py::str(error.value()).cast<std::string>());
    }
  };
  Lines lines(say);
  std::ostream out(&lines);
  out.exceptions(std::ios::badbit);  // what Python throws comes through
  return engine::ReportGpus(check, out);
}

}  // namespace

PYBIND11_MODULE(_engine, module) {
  const std::vector<std::string> versions =
      absl::StrSplit(PADDLE_VERSIONS, ' ');
  const std::string version = engine::PaddleVersion();
  if (std::find(versions.begin(), versions.end(), version) == versions.end()) {
    Raise(PyExc_ImportError,
          absl::StrCat("this paddle_engine is built for paddlepaddle ",
                       absl::StrJoin(versions, " and "),
                       ", the one installed is ", version));
  }
  engine_error = PyErr_NewExceptionWithDoc(
      "paddle_engine.EngineError",
      "The engine failed, or a model's files are damaged.", PyExc_RuntimeError,
      nullptr);
  if (!engine_error) throw py::error_already_set();
  module.attr("EngineError") = py::handle(engine_error);
  module.attr("PADDLE_VERSION") = version;

  py::options options;
  options.disable_function_signatures();  // _engine.pyi has better ones
  py::class_<Spec>(module, "TensorSpec", py::module_local(), py::is_final(),
                   "An input or output as the model declares it.")
      .def_readonly("name", &Spec::name)
      .def_readonly("dtype", &Spec::dtype)
      .def_readonly("shape", &Spec::shape, "-1: any number from 1.")
      .def_readonly("lod_level", &Spec::lod_level,
                    "Levels of offsets (LoD); 0: a plain array.")
      .def_readonly("range", &Spec::range,
                    "The least and the greatest value of an element, where "
                    "the model has a table for no others; else None.")
      .def("__repr__", &Spec::Repr)
      .attr("__module__") = "paddle_engine";
  py::class_<LoDTensor>(module, "LoDTensor", py::module_local(), py::is_final(),
                        "An array whose rows are sequences; see the package.")
      .def(py::init<py::array, engine::Lod>(), py::arg("data").noconvert(),
           py::arg("lod"))
      .def_readonly("data", &LoDTensor::data)
      .def_property_readonly("lod", &LoDTensor::Levels)
      .def("__repr__", &LoDTensor::Repr)
      .attr("__module__") = "paddle_engine";
  py::class_<Engine>(module, "Engine", py::module_local(), py::is_final(),
                     "A loaded model; see the package.")
      .def(py::init<const py::object&, int, const std::string&>(),
           py::arg("model_dir"), py::arg("threads") = 1,
           py::arg("cpu_engine") = "onednn")
      .def_property_readonly("inputs", &Engine::inputs)
      .def_property_readonly("outputs", &Engine::outputs)
      .def("clone", &Engine::Clone,
           "An instance for another thread. It shares the weights.")
      .def("release", &Engine::Release,
           "Gives the system what runs have taken, down to the weights.")
      .def("run", &Engine::Run, py::arg("inputs"),
           "Runs the model on arrays by name and returns its outputs by name.")
      .attr("__module__") = "paddle_engine";
  module.def("report_gpus", &ReportGpus, py::arg("run_model"), py::arg("say"),
             "Says what there is of GPUs; see the package.");
}
