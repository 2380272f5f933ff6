// Server reflection (grpc.reflection.v1 and v1alpha, whose messages are the
// same): tells clients like grpcurl of the services here and their messages.
#ifndef CC_FRONTEND_GRPC_REFLECTION_H_
#define CC_FRONTEND_GRPC_REFLECTION_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace grpc {

class Reflection {
 public:
  // Of the files in protos/, as protoc describes them.
  Reflection();

  // A ServerReflectionRequest -> ServerReflectionResponse, which may hold an
  // error. INVALID_ARGUMENT if the request is malformed.
  absl::StatusOr<absl::Cord> Answer(const absl::Cord& request) const;

  const std::vector<std::string>& services() const { return services_; }

 private:
  void AddFile(const absl::Cord& file);
  void AddMessage(const absl::Cord& message, const std::string& scope,
                  size_t file);
  void AddService(const absl::Cord& service, const std::string& scope,
                  size_t file);

  std::vector<std::string> files_;         // each a FileDescriptorProto
  std::map<std::string, size_t> names_;    // of files, by their names
  std::map<std::string, size_t> symbols_;  // of files, by what they define
  std::vector<std::string> services_;
};

}  // namespace grpc

#endif  // CC_FRONTEND_GRPC_REFLECTION_H_
