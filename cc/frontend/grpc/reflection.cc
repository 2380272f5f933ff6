#include "cc/frontend/grpc/reflection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cc/base/text.h"
#include "cc/base/wire.h"

namespace grpc {
namespace {

// A FileDescriptorSet.
constexpr unsigned char kDescriptors[] = {
#include "cc/frontend/grpc/descriptors.inc"
};

// Calls f(number, value) for each field of bytes.
template <typename F>
void ForEachBytes(const absl::Cord& message, F f) {
  wire::Reader reader(message);
  while (reader.Next()) {
    absl::Cord value;
    if (reader.type() == wire::Type::kBytes && reader.Read(&value)) {
      f(reader.number(), value);
    }
  }
}

// Of all descriptors: field 1.
std::string NameOf(const absl::Cord& descriptor, const std::string& scope) {
  std::string name;
  ForEachBytes(descriptor, [&](uint32_t number, const absl::Cord& value) {
    if (number == 1) name = std::string(value);
  });
  return scope.empty() ? name : absl::StrCat(scope, ".", name);
}

std::string Error(absl::StatusCode code, absl::string_view message) {
  std::string out;
  wire::Writer writer(&out);
  writer.Varint(1, static_cast<uint64_t>(code));
  writer.Bytes(2, message);
  return out;
}

}  // namespace

Reflection::Reflection() {
  const absl::Cord all(absl::string_view(
      reinterpret_cast<const char*>(kDescriptors), sizeof(kDescriptors)));
  ForEachBytes(all, [this](uint32_t number, const absl::Cord& file) {
    if (number == 1) AddFile(file);
  });
}

void Reflection::AddFile(const absl::Cord& file) {
  const size_t index = files_.size();
  files_.emplace_back(file);
  names_.emplace(NameOf(file, ""), index);
  std::string package;
  ForEachBytes(file, [&](uint32_t number, const absl::Cord& value) {
    if (number == 2) package = std::string(value);
  });
  ForEachBytes(file, [&](uint32_t number, const absl::Cord& value) {
    if (number == 4) AddMessage(value, package, index);
    if (number == 6) AddService(value, package, index);
  });
}

// DescriptorProto: field 2 fields, 3 messages in it, 4 enums, 8 oneofs.
void Reflection::AddMessage(const absl::Cord& message, const std::string& scope,
                            size_t file) {
  const std::string name = NameOf(message, scope);
  symbols_.emplace(name, file);
  ForEachBytes(message, [&](uint32_t number, const absl::Cord& value) {
    if (number == 3) AddMessage(value, name, file);
    if (number == 2 || number == 4 || number == 8) {
      symbols_.emplace(NameOf(value, name), file);
    }
  });
}

void Reflection::AddService(const absl::Cord& service, const std::string& scope,
                            size_t file) {
  const std::string name = NameOf(service, scope);
  services_.push_back(name);
  symbols_.emplace(name, file);
  ForEachBytes(service, [&](uint32_t number, const absl::Cord& value) {
    if (number == 2) symbols_.emplace(NameOf(value, name), file);
  });
}

absl::StatusOr<absl::Cord> Reflection::Answer(const absl::Cord& request) const {
  std::string host, name;
  uint32_t what = 0;
  wire::Reader reader(request);
  while (reader.Next()) {
    if (reader.number() == 1) reader.Read(&host);
    // Of the others the last one counts, being a oneof. An extension is named
    // by a message, whose content matters to nobody: there are none here.
    if (reader.number() >= 3 && reader.number() <= 7) {
      what = reader.number();
      if (what != 5) reader.Read(&name);
    }
  }
  if (!reader.status().ok()) return reader.status();

  std::string out;
  wire::Writer writer(&out);
  writer.Bytes(1, host);
  writer.Message(2, std::string(request));
  const auto file = [&](const std::map<std::string, size_t>& by) {
    const auto found = by.find(name);
    if (found == by.end()) {
      writer.Message(7, Error(absl::StatusCode::kNotFound,
                              absl::StrCat("there is no ", base::Quote(name))));
      return;
    }
    std::string response;
    wire::Writer(&response).Message(1, files_[found->second]);
    writer.Message(4, response);
  };
  switch (what) {
    case 3:
      file(names_);
      break;
    case 4:
      file(symbols_);
      break;
    case 7: {
      std::string list;
      for (const std::string& service : services_) {
        std::string entry;
        wire::Writer(&entry).Bytes(1, service);
        wire::Writer(&list).Message(1, entry);
      }
      writer.Message(6, list);
      break;
    }
    default:
      writer.Message(7, Error(absl::StatusCode::kNotFound,
                              "there are no extensions here"));
      break;
  }
  return absl::Cord(std::move(out));
}

}  // namespace grpc
