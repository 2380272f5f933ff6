#include "cc/engine/model_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cc/base/data_type.h"
#include "cc/base/model_folder.h"
#include "cc/engine/pir.h"
#include "cc/engine/program.h"

namespace engine {
namespace {

// Far above any real one (a large language model's program has a few MB), and
// small enough to read.
constexpr uint64_t kMaxProgramBytes = uint64_t{1} << 30;
constexpr uint64_t kMaxTensorDescBytes = 4096;

// Of VarType.Type, framework.proto of Paddle 2.6.2.
constexpr int kFloat32 = 5;
constexpr int kInt8 = 21;

// A file read forward, with a bound that no read or skip can pass.
class Input {
 public:
  static absl::StatusOr<std::unique_ptr<Input>> Open(const std::string& path) {
    auto input = std::make_unique<Input>();
    std::error_code error;
    input->left_ = std::filesystem::file_size(path, error);
    if (!error) {
      input->file_.reset(std::fopen(path.c_str(), "rb"));
      if (!input->file_) error.assign(errno, std::generic_category());
    }
    if (error) {
      return absl::Status(
          error == std::errc::permission_denied
              ? absl::StatusCode::kPermissionDenied
              : absl::StatusCode::kNotFound,
          absl::StrCat(path, " cannot be opened: ", error.message(), ". ",
                       base::kModelWanted));
    }
    return input;
  }

  uint64_t left() const { return left_; }

  bool Read(size_t size, void* data) {
    if (size > left_ || std::fread(data, 1, size, file_.get()) != size) {
      return false;
    }
    left_ -= size;
    return true;
  }

  bool Skip(uint64_t size) {
    if (size > left_ ||
        fseeko(file_.get(), static_cast<off_t>(size), SEEK_CUR) != 0) {
      return false;
    }
    left_ -= size;
    return true;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  uint64_t left_ = 0;
};

std::string Dims(const TensorDesc& desc) {
  return absl::StrCat("[", absl::StrJoin(desc.dims, ", "), "]");
}

// PaddleSlim declares the scales of n channels as [n] and stores [1, n].
std::vector<int64_t> WithoutOnes(std::vector<int64_t> dims) {
  dims.erase(std::remove(dims.begin(), dims.end(), 1), dims.end());
  return dims;
}

// Bytes of the tensor's elements; nullopt if the dims are damaged.
std::optional<uint64_t> DataBytes(const TensorDesc& desc) {
  uint64_t bytes = base::ProgramTypeOf(desc.data_type)->size;
  for (int64_t dim : desc.dims) {
    if (dim < 0 ||
        __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

// One parameter: u32 version 0, u64 levels of detail (0 here, else each a u64
// size and its bytes), u32 version 0, i32 size of the description, the
// description, the elements.
absl::Status CheckTensor(Input& input, const std::string& name,
                         const TensorDesc& declared, bool quantised) {
  const auto damaged = [&](const std::string& what) {
    return absl::DataLossError(absl::StrCat("parameter ", name, ": ", what));
  };
  const char* kTruncated = "the file ends in the middle of it";
  uint32_t version;
  uint64_t levels;
  if (!input.Read(sizeof(version), &version) ||
      !input.Read(sizeof(levels), &levels)) {
    return damaged(kTruncated);
  }
  if (version != 0) return damaged(absl::StrCat("format version ", version));
  for (uint64_t i = 0; i < levels; ++i) {
    uint64_t size;
    if (!input.Read(sizeof(size), &size) || !input.Skip(size)) {
      return damaged(kTruncated);
    }
  }
  int32_t size;
  if (!input.Read(sizeof(version), &version) ||
      !input.Read(sizeof(size), &size)) {
    return damaged(kTruncated);
  }
  if (version != 0) return damaged(absl::StrCat("format version ", version));
  if (size < 0 || static_cast<uint64_t>(size) > kMaxTensorDescBytes) {
    return damaged(absl::StrCat("a description of ", size, " bytes"));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  if (!input.Read(bytes.size(), bytes.data())) return damaged(kTruncated);
  const std::optional<TensorDesc> found = ParseTensorDesc(bytes);
  if (!found) return damaged("malformed description");
  // PaddleSlim declares weights as they were and stores them quantised.
  const bool slimmed =
      quantised && found->data_type == kInt8 && declared.data_type == kFloat32;
  if (found->data_type != declared.data_type && !slimmed) {
    return damaged(absl::StrCat("its type is ",
                                base::ProgramTypeOf(found->data_type)->name,
                                ", the program declares ",
                                base::ProgramTypeOf(declared.data_type)->name));
  }
  if (WithoutOnes(found->dims) != WithoutOnes(declared.dims)) {
    return damaged(absl::StrCat("its shape is ", Dims(*found),
                                ", the program declares ", Dims(declared)));
  }
  const std::optional<uint64_t> data = DataBytes(*found);
  if (!data) return damaged(absl::StrCat("its shape is ", Dims(*found)));
  if (!input.Skip(*data)) return damaged(kTruncated);
  return absl::OkStatus();
}

absl::Status CheckParameters(Input& input, const Signature& signature) {
  for (const auto& [name, declared] : signature.parameters) {
    absl::Status status =
        CheckTensor(input, name, declared, signature.quantised);
    if (!status.ok()) return status;
  }
  if (input.left() != 0) {
    return absl::DataLossError(
        absl::StrCat(input.left(), " bytes follow after the last parameter"));
  }
  return absl::OkStatus();
}

absl::Status Annotate(const absl::Status& status, const std::string& path) {
  const bool damaged = absl::IsDataLoss(status);
  return absl::Status(
      status.code(),
      absl::StrCat(path, damaged ? " is damaged: " : ": ", status.message(),
                   damaged ? ". Copy the program and its parameters again, "
                             "both from the same export, or export the model "
                             "anew."
                           : "."));
}

// Files and folders by name; those that the file system will not tell of are
// passed over.
std::vector<std::string> List(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end;
       !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<base::ModelNames> Names(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    // Whose opening says what is wrong.
    return base::ModelNames{"model.pdmodel", "model.pdiparams"};
  }
  return base::OneModel(directory, List(directory));
}

absl::StatusOr<std::string> ReadProgram(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Input>> input = Input::Open(path);
  if (!input.ok()) return input.status();
  const uint64_t size = (*input)->left();
  if (size > kMaxProgramBytes) {
    return Annotate(
        absl::DataLossError(absl::StrCat(size, " bytes are no program")), path);
  }
  std::string bytes(size, '\0');
  if (!(*input)->Read(bytes.size(), bytes.data())) {
    return Annotate(absl::DataLossError("it cannot be read"), path);
  }
  return bytes;
}

absl::StatusOr<ModelFiles> Check(const std::string& directory) {
  const absl::StatusOr<base::ModelNames> names = Names(directory);
  if (!names.ok()) return names.status();
  const std::string program = absl::StrCat(directory, "/", names->program);
  const std::string parameters =
      absl::StrCat(directory, "/", names->parameters);
  const absl::StatusOr<std::string> bytes = ReadProgram(program);
  if (!bytes.ok()) return bytes.status();
  const bool pir = base::IsPir(names->program);
  absl::StatusOr<Signature> signature =
      pir ? ParsePir(*bytes) : ParseProgram(*bytes);
  if (!signature.ok()) return Annotate(signature.status(), program);
  std::error_code error;
  if (!signature->parameters.empty() ||
      std::filesystem::exists(parameters, error)) {
    absl::StatusOr<std::unique_ptr<Input>> input = Input::Open(parameters);
    if (!input.ok()) return input.status();
    absl::Status status = CheckParameters(**input, *signature);
    if (!status.ok()) return Annotate(status, parameters);
  }
  return ModelFiles{program, parameters, *std::move(signature), pir};
}

}  // namespace

absl::StatusOr<ModelFiles> CheckModelFiles(const std::string& directory) {
  try {
    return Check(directory);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "reading the model ", directory, " failed: not enough memory"));
  }
}

}  // namespace engine
