// The functions of NVIDIA's driver that gpu-check calls, with answers out of
// the environment: FAKE_CUDA_INIT and FAKE_CUDA_VERSION are numbers,
// FAKE_CUDA_DEVICES lists compute capabilities, as 86,90.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace {

int Number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

std::vector<int> Devices() {
  const char* text = std::getenv("FAKE_CUDA_DEVICES");
  std::vector<int> found;
  std::istringstream words(text ? text : "");
  for (std::string word; std::getline(words, word, ',');) {
    found.push_back(std::stoi(word));
  }
  return found;
}

constexpr int kInvalidValue = 1;

}  // namespace

extern "C" {

int cuInit(unsigned) { return Number("FAKE_CUDA_INIT", 0); }

int cuDriverGetVersion(int* version) {
  *version = Number("FAKE_CUDA_VERSION", 11080);
  return 0;
}

int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(Devices().size());
  return 0;
}

int cuDeviceGet(int* device, int index) {
  *device = index;
  return index < static_cast<int>(Devices().size()) ? 0 : kInvalidValue;
}

int cuDeviceGetName(char* name, int size, int) {
  std::snprintf(name, size, "Test GPU");
  return 0;
}

int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
  *bytes = std::size_t{24'000'000'000};
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const int capability = Devices().at(device);
  constexpr int kMajor = 75, kMinor = 76;
  if (attribute != kMajor && attribute != kMinor) return kInvalidValue;
  *value = attribute == kMajor ? capability / 10 : capability % 10;
  return 0;
}
}
