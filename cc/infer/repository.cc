#include "cc/infer/repository.h"

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"

namespace infer {

absl::string_view NameOf(State state) {
  switch (state) {
    case State::kLoading:
      return "LOADING";
    case State::kReady:
      return "READY";
    case State::kUnloading:
      return "UNLOADING";
    case State::kFailed:
      break;
  }
  return "UNAVAILABLE";
}

absl::Status CheckControlParameter(absl::string_view name) {
  // No model is part of another one.
  if (name == "unload_dependents") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "the parameter ", base::Quote(name),
      " is not served: a model is loaded as it lies in the repository; put a "
      "new version there"));
}

}  // namespace infer
