// Asks each of the libraries that the server is linked with for something that
// no machine may answer differently.
#include <absl/strings/escaping.h>
#include <absl/strings/str_format.h>
#include <absl/time/time.h>
#include <nghttp2/nghttp2.h>
#include <simdjson.h>
#include <yaml-cpp/yaml.h>
#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include "bazel/toolchains/testdata/point.pb.h"

namespace {

std::string Hex(const std::string& bytes) {
  return absl::BytesToHexString(bytes);
}

// A header as HPACK writes it.
std::string Packed(std::string name, std::string value) {
  nghttp2_hd_deflater* deflater = nullptr;
  if (nghttp2_hd_deflate_new(&deflater, 4096) != 0) {
    throw std::runtime_error("no deflater");
  }
  nghttp2_nv header{reinterpret_cast<uint8_t*>(name.data()),
                    reinterpret_cast<uint8_t*>(value.data()), name.size(),
                    value.size(), NGHTTP2_NV_FLAG_NONE};
  std::string packed(nghttp2_hd_deflate_bound(deflater, &header, 1), '\0');
  const auto size =
      nghttp2_hd_deflate_hd(deflater, reinterpret_cast<uint8_t*>(packed.data()),
                            packed.size(), &header, 1);
  nghttp2_hd_deflate_del(deflater);
  packed.resize(size);
  return packed;
}

std::string Deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string deflated(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(deflated.data()), &size,
                reinterpret_cast<const Bytef*>(text.data()), text.size(),
                9) != Z_OK) {
    throw std::runtime_error("zlib fails");
  }
  deflated.resize(size);
  return deflated;
}

double FromJson(const std::string& text) {
  simdjson::dom::parser parser;
  return parser.parse(simdjson::padded_string(text))["digits"].at(1);
}

}  // namespace

int main() {
  double root = 0;
  std::thread([&] { root = std::sqrt(1764.0); }).join();
  testdata::Point point;
  point.set_x(150);
  point.set_name("数字");
  std::cout << "absl "
            << absl::FormatTime(absl::RFC3339_sec, absl::UnixEpoch(),
                                absl::UTCTimeZone())
            << absl::StrFormat(" %.17g", root) << "\n"
            << "nghttp2 " << Hex(Packed("grpc-status", "0")) << "\n"
            << "protobuf " << Hex(point.SerializeAsString()) << "\n"
            << absl::StrFormat("simdjson %.17g\n",
                               FromJson(R"({"digits": [1, 0.1]})"))
            << "yaml-cpp "
            << YAML::Load("{machines: [amd64, arm64]}")["machines"][1] << "\n"
            << "zlib " << Hex(Deflated("aaaaaaaaaaaaaaaa")) << "\n";
  try {
    throw std::runtime_error("caught");
  } catch (const std::exception& error) {
    std::cout << error.what() << "\n";
  }
}
