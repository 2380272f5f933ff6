#include "bench/load_case.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "bench/load_message.h"

namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "load: cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether two texts differ in nothing but the last digits of numbers.
bool NearJson(const std::string& a, const std::string& b, double tolerance) {
  const char *i = a.c_str(), *j = b.c_str();
  const auto number = [](const char* at) {
    return *at == '-' || (*at >= '0' && *at <= '9');
  };
  while (*i != 0 && *j != 0) {
    if (number(i) && number(j)) {
      char *end_i = nullptr, *end_j = nullptr;
      if (!IsNear(std::strtod(i, &end_i), std::strtod(j, &end_j), tolerance)) {
        return false;
      }
      i = std::max<const char*>(end_i, i + 1);
      j = std::max<const char*>(end_j, j + 1);
    } else if (*i++ != *j++) {
      return false;
    }
  }
  return *i == *j;
}

bool IsFp32(const std::string& answer, size_t json) {
  constexpr std::string_view kKey = "\"datatype\":";
  const std::string_view head(answer.data(), json);
  for (size_t at = head.find(kKey); at != head.npos;
       at = head.find(kKey, at + 1)) {
    if (head.substr(at + kKey.size(), 6) != "\"FP32\"") return false;
  }
  return true;
}

// Takes out which version of the model answered, of the JSON before binary
// tensors; without those all is JSON.
void EraseVersion(std::string* body, size_t* json) {
  constexpr std::string_view kKey = "\"model_version\":\"";
  const size_t at = body->find(kKey);
  if (at == std::string::npos || (*json > 0 && at >= *json)) return;
  const size_t begin = at + kKey.size();
  const size_t end = body->find('"', begin);
  if (end == std::string::npos) return;
  body->erase(begin, end - begin);
  if (*json > 0) *json -= std::min(*json, end - begin);
}

bool IsNearHttp(const std::string& expected, const std::string& got,
                size_t json, double tolerance) {
  if (expected == got) return true;
  if (tolerance == 0) return false;
  if (json == 0) return NearJson(expected, got, tolerance);
  if (expected.size() != got.size() ||
      expected.compare(0, json, got, 0, json) != 0 || !IsFp32(got, json)) {
    return false;
  }
  for (size_t at = json; at + sizeof(float) <= got.size();
       at += sizeof(float)) {
    float a, b;
    std::memcpy(&a, expected.data() + at, sizeof a);
    std::memcpy(&b, got.data() + at, sizeof b);
    if (!IsNear(static_cast<double>(a), static_cast<double>(b), tolerance)) {
      return false;
    }
  }
  return true;
}

// Takes the lines "name: value" before an empty one.
void TakeHeaders(Case* wanted) {
  std::string& text = wanted->request;
  size_t at = 0;
  for (;;) {
    const size_t end = text.find("\r\n", at);
    if (end == at) break;
    const size_t colon = text.find(": ", at);
    if (end == std::string::npos || colon > end) {
      std::fprintf(stderr,
                   "load: %s has no headers with an empty line behind them\n",
                   wanted->file.c_str());
      std::exit(2);
    }
    wanted->headers.emplace_back(text.substr(at, colon - at),
                                 text.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  text.erase(0, at + 2);
}

bool IsStreamed(const Case& wanted) {
  for (const auto& [name, value] : wanted.headers) {
    if (name == ":path") {
      return value == "/inference.GRPCInferenceService/ModelStreamInfer";
    }
  }
  return false;
}

}  // namespace

const char* NameOf(Protocol protocol) {
  return protocol == Protocol::kGrpc ? "grpc" : "http";
}

Protocol TakeProtocol(std::string* text) {
  for (const Protocol protocol : {Protocol::kHttp, Protocol::kGrpc}) {
    const std::string prefix = std::string(NameOf(protocol)) + ":";
    if (text->compare(0, prefix.size(), prefix) != 0) continue;
    text->erase(0, prefix.size());
    return protocol;
  }
  return Protocol::kHttp;
}

Case ParseCase(const std::string& text) {
  Case result;
  std::string rest = text;
  result.protocol = TakeProtocol(&rest);
  std::vector<std::string> parts(1);
  for (char c : rest) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  if (parts.size() < 3 || parts.size() > 4) {
    std::fprintf(stderr,
                 "load: %s is not [PROTOCOL:]WEIGHT:STATUS:REQUEST[:ANSWER]\n",
                 text.c_str());
    std::exit(2);
  }
  result.weight = std::strtod(parts[0].c_str(), nullptr);
  result.status = std::atoi(parts[1].c_str());
  result.file = parts[2];
  result.request = ReadFile(parts[2]);
  if (result.protocol == Protocol::kGrpc) TakeHeaders(&result);
  if (parts.size() == 4) {
    result.answer = ReadFile(parts[3]);
    result.has_answer = true;
    size_t json = 0;
    if (result.protocol == Protocol::kHttp) EraseVersion(&result.answer, &json);
  }
  return result;
}

std::string StatusName(const Case& asked, const Answer& answer) {
  const std::string number = std::to_string(answer.status);
  if (asked.protocol == Protocol::kHttp) return number;
  const bool has_error = IsStreamed(asked) && HasErrorMessage(answer.body);
  return "grpc " + number + (has_error ? ", error_message" : "");
}

bool IsRight(const Case& wanted, Answer answer, double tolerance) {
  if (answer.status != wanted.status) return false;
  if (!wanted.has_answer) return true;
  if (wanted.protocol == Protocol::kGrpc) {
    return IsNearBody(wanted.answer, answer.body, IsStreamed(wanted),
                      tolerance);
  }
  EraseVersion(&answer.body, &answer.json);
  return IsNearHttp(wanted.answer, answer.body, answer.json, tolerance);
}
