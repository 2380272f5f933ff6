// A library with GPU code as nvcc lays it out, for gpu_code_test: two fat
// binaries with three elements, wrappers that point to them, and C++ that
// throws, whose tables lie behind the code.
#include <cstdint>
#include <stdexcept>
#include <string>

namespace {

struct Header {
  uint32_t magic = 0xBA55ED50;
  uint16_t version = 1;
  uint16_t header_size = 16;
  uint64_t size;
};

template <int kSize>
struct Element {
  uint16_t kind = 2;
  uint16_t unknown = 0x101;
  uint32_t header_size = 64;
  uint64_t size = kSize;
  uint32_t compressed_size = 0;
  uint32_t options = 0;
  uint16_t minor = 7, major = 1;
  uint32_t architecture;
  uint32_t name = 0, name_size = 0;
  uint64_t flags = 0x11, unknown2 = 0, unpacked_size = 0;
  char code[kSize];
};

template <int kFirst, int kSecond>
struct Two {
  Header header{.size = sizeof(Element<kFirst>) + sizeof(Element<kSecond>)};
  Element<kFirst> first;
  Element<kSecond> second;
};

struct One {
  Header header{.size = sizeof(Element<40000>)};
  Element<40000> only;
};

#define CODE __attribute__((section(".nv_fatbin"), used, aligned(8)))

CODE const Two<20000, 16> kTwo = {
    .first = {.architecture = 70, .code = "code for one kind of GPU"},
    // Too short to become smaller.
    .second = {.architecture = 80, .code = "0123456789abcde"}};
CODE const One kOne = {.only = {.architecture = 90, .code = "code for all"}};

struct Wrapper {
  uint32_t magic, version;
  const void* data;
  const void* file;
};

__attribute__((section(".nvFatBinSegment"), used)) Wrapper wrappers[] = {
    {0x466243b1, 1, &kTwo, nullptr}, {0x466243b1, 1, &kOne, nullptr}};

}  // namespace

extern "C" const void* FatBinary(int index) { return wrappers[index].data; }

extern "C" int ThrowAndCatch(int value) {
  try {
    throw std::runtime_error(std::to_string(value));
  } catch (const std::exception& error) {
    return std::stoi(error.what()) + 1;
  }
}
