#include "bench/load_message.h"

#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace {

// Without a descriptor all fields are unknown ones. Of this protocol's answers
// they are strings and messages, on the level that is looked at.
using Fields = google::protobuf::UnknownFieldSet;

// https://github.com/kserve/open-inference-protocol, grpc_predict_v2.proto, and
// of streams Triton's grpc_service.proto.
constexpr int kModelVersion = 2, kOutputs = 5, kRawOutputs = 6;
constexpr int kOutputDatatype = 2;
constexpr int kErrorMessage = 1, kStreamResponse = 2;

constexpr size_t kPrefix = 5;

bool Parse(std::string_view message, Fields* fields) {
  if (!fields->ParseFromArray(message.data(),
                              static_cast<int>(message.size()))) {
    return false;
  }
  for (int i = 0; i < fields->field_count(); ++i) {
    if (fields->field(i).type() !=
        google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      return false;
    }
  }
  return true;
}

// Whether they have the same fields; what differs is up to
// may_differ(number, bytes, bytes).
template <typename F>
bool AreAlike(const Fields& a, const Fields& b, F may_differ) {
  if (a.field_count() != b.field_count()) return false;
  for (int i = 0; i < a.field_count(); ++i) {
    const int number = a.field(i).number();
    const std::string& x = a.field(i).length_delimited();
    const std::string& y = b.field(i).length_delimited();
    if (number != b.field(i).number()) return false;
    if (x != y && !may_differ(number, x, y)) return false;
  }
  return true;
}

bool IsFp32(const Fields& response) {
  for (int i = 0; i < response.field_count(); ++i) {
    if (response.field(i).number() != kOutputs) continue;
    Fields output;
    // Its shape is packed, its parameters are messages.
    if (!Parse(response.field(i).length_delimited(), &output)) return false;
    for (int j = 0; j < output.field_count(); ++j) {
      if (output.field(j).number() == kOutputDatatype &&
          output.field(j).length_delimited() != "FP32") {
        return false;
      }
    }
  }
  return true;
}

bool AreNear(const std::string& a, const std::string& b, double tolerance) {
  if (a.size() != b.size()) return false;
  for (size_t at = 0; at + sizeof(float) <= a.size(); at += sizeof(float)) {
    float x, y;
    std::memcpy(&x, a.data() + at, sizeof x);
    std::memcpy(&y, b.data() + at, sizeof y);
    if (!IsNear(static_cast<double>(x), static_cast<double>(y), tolerance)) {
      return false;
    }
  }
  return true;
}

bool IsNearResponse(std::string_view wanted, std::string_view got,
                    double tolerance) {
  if (wanted == got) return true;
  Fields a, b;
  if (!Parse(wanted, &a) || !Parse(got, &b)) return false;
  a.DeleteByNumber(kModelVersion);
  b.DeleteByNumber(kModelVersion);
  const bool may_be_off = tolerance > 0 && IsFp32(b);
  return AreAlike(
      a, b, [&](int number, const std::string& x, const std::string& y) {
        return may_be_off && number == kRawOutputs && AreNear(x, y, tolerance);
      });
}

bool IsNearStreamed(std::string_view wanted, std::string_view got,
                    double tolerance) {
  Fields a, b;
  return Parse(wanted, &a) && Parse(got, &b) &&
         AreAlike(a, b,
                  [&](int number, const std::string& x, const std::string& y) {
                    return number == kStreamResponse &&
                           IsNearResponse(x, y, tolerance);
                  });
}

// Takes the first message of a body, with its prefix. False where it is not
// whole, or compressed.
bool TakeMessage(std::string_view* body, std::string_view* message) {
  if (body->size() < kPrefix || body->front() != 0) return false;
  size_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) {
    size = size << 8 | static_cast<unsigned char>((*body)[i]);
  }
  body->remove_prefix(kPrefix);
  if (body->size() < size) return false;
  *message = body->substr(0, size);
  body->remove_prefix(size);
  return true;
}

}  // namespace

bool IsNear(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a)});
}

bool IsNearBody(const std::string& wanted, const std::string& got,
                bool streamed, double tolerance) {
  if (wanted == got) return true;
  std::string_view left(wanted), right(got), a, b;
  while (!left.empty() && !right.empty()) {
    if (!TakeMessage(&left, &a) || !TakeMessage(&right, &b)) return false;
    if (!(streamed ? IsNearStreamed : IsNearResponse)(a, b, tolerance)) {
      return false;
    }
  }
  return left.empty() && right.empty();
}

bool HasErrorMessage(const std::string& body) {
  std::string_view left(body), message;
  while (!left.empty() && TakeMessage(&left, &message)) {
    Fields fields;
    if (!Parse(message, &fields)) return false;
    for (int i = 0; i < fields.field_count(); ++i) {
      if (fields.field(i).number() == kErrorMessage) return true;
    }
  }
  return false;
}
