#include "cc/infer/repository.h"

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

}  // namespace infer
