#include "cc/engine/paddle_errors.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/engine/program.h"

namespace engine {
namespace {

// Where a program still has the lines of Python that made its operators
// (op_callstack), Paddle puts them before its message, 50 of them, and writes
// the kind in another way: "In user code: ... OutOfRangeError: ...". The
// message as it is without them.
std::string WithoutCallStack(const std::string& what) {
  constexpr char kError[] = "Error: ";
  if (what.rfind("In user code:", 0) != 0) return what;
  for (size_t at = what.rfind(kError); at != std::string::npos && at > 0;
       at = what.rfind(kError, at - 1)) {
    const size_t line = what.rfind('\n', at) + 1;
    const size_t begin = what.find_first_not_of(' ', line);
    const std::string kind = what.substr(begin, at - begin);
    if (!std::all_of(kind.begin(), kind.end(), absl::ascii_isalpha)) continue;
    return absl::StrCat("(", kind, ") ", what.substr(at + std::strlen(kError)));
  }
  return what;
}

// Paddle's messages begin with a kind in brackets and a sentence, and go on
// with the failed C++ expression and its place, which help nobody here. The
// operator at fault comes last.
std::string Summary(const std::string& what) {
  constexpr size_t kShown = 600;
  std::string text = what.substr(0, what.find('\n'));
  text = text.substr(0, text.find(" (at /"));
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  // A damaged model's text may be any bytes; messages go into JSON logs.
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  const size_t begin = what.rfind("[operator < ");
  const size_t end = what.find(" >", begin);
  if (begin != std::string::npos && end != std::string::npos) {
    const std::string op = what.substr(begin + 12, end - begin - 12);
    absl::StrAppend(&text, " (operator ", op, ")");
  }
  return text;
}

bool IsKind(const std::string& what, const char* kind) {
  return what.compare(0, std::strlen(kind), kind) == 0;
}

// The name of the variable that a guard's error belongs to; nullopt: no guard
// says this.
std::optional<std::string> GuardOf(const std::string& what) {
  if (absl::StrContains(what, "max should be greater than or equal to min")) {
    return kEmptyTable;
  }
  // "The condition variable 'NAME' of AssertOp must be true"
  if (!absl::StrContains(what, "of AssertOp must be true")) return std::nullopt;
  const size_t begin = what.find('\'') + 1;
  const size_t end = what.find('\'', begin);
  if (begin == 0 || end == std::string::npos) return std::nullopt;
  return what.substr(begin, end - begin);
}

}  // namespace

absl::Status Catch(const std::string& action, absl::StatusCode blame,
                   const std::map<std::string, std::string>& guards,
                   const std::function<void()>& f) {
  try {
    f();
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat(action, " failed: not enough memory"));
  } catch (const std::exception& e) {
    const std::string what = WithoutCallStack(e.what());
    if (const std::optional<std::string> guard = GuardOf(what)) {
      const auto error = guards.find(*guard);
      if (error != guards.end())
        return absl::InvalidArgumentError(error->second);
    }
    absl::StatusCode code = absl::StatusCode::kInternal;
    if (IsKind(what, "(ResourceExhausted)")) {
      code = absl::StatusCode::kResourceExhausted;
    } else if (IsKind(what, "(InvalidArgument)") ||
               IsKind(what, "(OutOfRange)") || IsKind(what, "(NotFound)") ||
               IsKind(what, "(Unimplemented)") ||
               IsKind(what, "(Unavailable)")) {
      code = blame;
    }
    return absl::Status(code, absl::StrCat(action, " failed: ", Summary(what)));
  } catch (...) {
    return absl::InternalError(
        absl::StrCat(action, " failed: an exception of unknown type"));
  }
}

}  // namespace engine
