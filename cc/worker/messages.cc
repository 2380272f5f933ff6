#include "cc/worker/messages.h"

#include "cc/worker/wire.h"

namespace worker {
namespace {

// Each type has one function that names its fields in order; `Io` is a Put or a
// Get.
class Put {
 public:
  void operator()(int64_t& value) { writer_.Int(value); }
  void operator()(int& value) { writer_.Int(value); }
  void operator()(size_t& value) { writer_.Int(static_cast<int64_t>(value)); }
  void operator()(bool& value) { writer_.Int(value); }
  void operator()(std::string& value) { writer_.String(value); }
  void operator()(absl::Status& status) {
    writer_.Int(static_cast<int>(status.code()));
    writer_.String(status.message());
  }
  void operator()(base::DataType& type) { writer_.Int(static_cast<int>(type)); }
  void operator()(base::CpuEngine& engine) {
    writer_.Int(static_cast<int>(engine));
  }
  template <typename T, typename F>
  void Each(std::vector<T>& values, F f) {
    writer_.Int(static_cast<int64_t>(values.size()));
    for (T& value : values) f(value);
  }

  std::string Done() { return writer_.bytes(); }

 private:
  Writer writer_;
};

class Get {
 public:
  explicit Get(absl::string_view bytes) : reader_(bytes) {}

  void operator()(int64_t& value) { value = reader_.Int(); }
  void operator()(int& value) { value = static_cast<int>(reader_.Int()); }
  void operator()(size_t& value) { value = static_cast<size_t>(reader_.Int()); }
  void operator()(bool& value) { value = reader_.Int() != 0; }
  void operator()(std::string& value) { value = reader_.String(); }
  void operator()(absl::Status& status) {
    const int64_t code = reader_.Int();
    const std::string message = reader_.String();
    status = absl::Status(static_cast<absl::StatusCode>(code), message);
  }
  void operator()(base::DataType& type) {
    const int64_t number = reader_.Int();
    valid_ = valid_ && number >= 0 &&
             number <= static_cast<int64_t>(base::DataType::kBytes);
    if (valid_) type = static_cast<base::DataType>(number);
  }
  void operator()(base::CpuEngine& engine) {
    const int64_t number = reader_.Int();
    valid_ = valid_ && number >= 0 &&
             number < static_cast<int64_t>(base::kCpuEngines.size());
    if (valid_) engine = static_cast<base::CpuEngine>(number);
  }
  template <typename T, typename F>
  void Each(std::vector<T>& values, F f) {
    values.resize(reader_.Count(sizeof(int64_t)));
    for (T& value : values) f(value);
  }

  bool Done() const { return valid_ && reader_.ok(); }

 private:
  Reader reader_;
  bool valid_ = true;
};

template <typename Io>
void Fields(Io& io, std::vector<int64_t>& values) {
  io.Each(values, [&](int64_t& value) { io(value); });
}

template <typename Io>
void Fields(Io& io, base::Lod& lod) {
  io.Each(lod, [&](std::vector<int64_t>& level) { Fields(io, level); });
}

template <typename Io>
void Fields(Io& io, LoadOptions& options) {
  io(options.directory);
  io(options.slots);
  io(options.threads);
  io(options.cpu_engine);
  io.Each(options.gpus, [&](int& gpu) { io(gpu); });
  io(options.gpu_memory_mb);
  Fields(io, options.buckets);
  io(options.awaited);
  io(options.warm_up);
}

template <typename Io>
void Fields(Io& io, base::TensorSpec& spec) {
  io(spec.name);
  io(spec.dtype);
  Fields(io, spec.shape);
  io(spec.lod_level);
  bool has_range = spec.range.has_value();
  io(has_range);
  if (!has_range) return;
  if (!spec.range) spec.range.emplace();
  io(spec.range->min);
  io(spec.range->max);
  io(spec.range->reason);
}

template <typename Io>
void Fields(Io& io, base::ValueCheck& check) {
  io(check.input);
  io(check.min);
  io(check.max);
  bool has_of = check.of.has_value();
  io(has_of);
  if (has_of) {
    if (!check.of) check.of.emplace();
    io(check.of->input);
    io(check.of->axis);
  }
  io(check.wraps);
  io.Each(check.parts, [&](base::Part& part) {
    io(part.axis);
    io(part.begin);
    io(part.end);
  });
  io(check.reason);
}

template <typename Io>
void Fields(Io& io, Loaded& loaded) {
  io(loaded.status);
  io.Each(loaded.inputs, [&](base::TensorSpec& spec) { Fields(io, spec); });
  io.Each(loaded.outputs, [&](base::TensorSpec& spec) { Fields(io, spec); });
  io.Each(loaded.checks, [&](base::ValueCheck& check) { Fields(io, check); });
  io(loaded.equal_bits);
  io(loaded.trial);
}

template <typename Io>
void Fields(Io& io, Place& place) {
  io(place.segment);
  io(place.offset);
  io(place.bytes);
}

template <typename Io>
void Fields(Io& io, Run& run) {
  io(run.new_segment);
  io.Each(run.inputs, [&](std::vector<RunInput>& inputs) {
    io.Each(inputs, [&](RunInput& input) {
      Fields(io, input.place);
      Fields(io, input.shape);
      Fields(io, input.lod);
    });
  });
  Fields(io, run.released);
  io(run.release_memory);
}

template <typename Io>
void Fields(Io& io, Ran& ran) {
  io(ran.status);
  io.Each(ran.results, [&](RunResult& result) {
    io(result.status);
    io.Each(result.outputs, [&](RunOutput& output) {
      Fields(io, output.place);
      io(output.dtype);
      Fields(io, output.shape);
      Fields(io, output.lod);
    });
    io(result.compute_ns);
  });
  Fields(io, ran.segments);
}

template <typename T>
std::string EncodeAny(const T& message) {
  T copy = message;
  Put put;
  Fields(put, copy);
  return put.Done();
}

template <typename T>
bool DecodeAny(absl::string_view bytes, T* message) {
  Get get(bytes);
  *message = T();
  Fields(get, *message);
  return get.Done();
}

}  // namespace

std::string Encode(const LoadOptions& options) { return EncodeAny(options); }
std::string Encode(const Loaded& loaded) { return EncodeAny(loaded); }
std::string Encode(const Run& run) { return EncodeAny(run); }
std::string Encode(const Ran& ran) { return EncodeAny(ran); }

bool Decode(absl::string_view bytes, LoadOptions* options) {
  return DecodeAny(bytes, options);
}
bool Decode(absl::string_view bytes, Loaded* loaded) {
  return DecodeAny(bytes, loaded);
}
bool Decode(absl::string_view bytes, Run* run) { return DecodeAny(bytes, run); }
bool Decode(absl::string_view bytes, Ran* ran) { return DecodeAny(bytes, ran); }

}  // namespace worker
