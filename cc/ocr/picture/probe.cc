// Decodes, resizes and cuts what a test sends, one request after the other on
// stdin: a line of words, the last of them the number of bytes that follow it.
//
//   decode BYTES                        a file
//   resize W H TO_W TO_H BYTES          a picture's pixels
//   crop W H X0 Y0 ... X3 Y3 BYTES
//
// The answer is `ok W H PEAK BOUND NANOSECONDS` and the pixels, or `error CODE
// PEAK BOUND MESSAGE`. PEAK is what was allocated at once, BOUND what
// DecodeMemory() says.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cc/ocr/picture/decode.h"
#include "cc/ocr/picture/picture.h"
#include "cc/ocr/picture/resize.h"
#include "cc/ocr/picture/warp.h"

namespace {

// Of this program, which has one thread.
size_t allocated = 0;
size_t peak = 0;

[[maybe_unused]] void* Count(void* memory) {
  allocated += malloc_usable_size(memory);
  peak = std::max(peak, allocated);
  return memory;
}

}  // namespace

#ifndef __SANITIZE_ADDRESS__  // which has these for itself
extern "C" {

void* __libc_malloc(size_t size);                 // NOLINT
void* __libc_calloc(size_t count, size_t size);   // NOLINT
void* __libc_realloc(void* memory, size_t size);  // NOLINT
void __libc_free(void* memory);                   // NOLINT

void* malloc(size_t size) { return Count(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) {
  return Count(__libc_calloc(count, size));
}
void* realloc(void* memory, size_t size) {
  allocated -= malloc_usable_size(memory);
  return Count(__libc_realloc(memory, size));
}
void free(void* memory) {
  allocated -= malloc_usable_size(memory);
  __libc_free(memory);
}

}  // extern "C"
#endif

namespace {

std::string Read(size_t size) {
  std::string bytes(size, '\0');
  std::cin.read(bytes.data(), static_cast<std::streamsize>(size));
  return bytes;
}

ocr::Picture ReadPicture(int width, int height, size_t size) {
  ocr::Picture picture(width, height);
  const std::string bytes = Read(size);
  std::copy(bytes.begin(), bytes.end(), picture.bgr.begin());
  return picture;
}

int Run() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    int width = 0, height = 0, to_width = 0, to_height = 0;
    ocr::Quadrilateral corners;
    size_t size = 0;
    std::string file;
    ocr::Picture picture;
    if (what == "decode") {
      words >> size;
      file = Read(size);
    } else {
      words >> width >> height;
      if (what == "resize") words >> to_width >> to_height;
      if (what == "crop") {
        for (ocr::Point& corner : corners) words >> corner.x >> corner.y;
      }
      words >> size;
      picture = ReadPicture(width, height, size);
    }
    if (!words || !std::cin) {
      std::cerr << "no request: " << line << "\n";
      return 1;
    }
    const size_t before = allocated;
    peak = allocated;
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<ocr::Picture> result =
        what == "decode" ? ocr::Decode(file, {})
        : what == "crop" ? ocr::Crop(picture, corners)
                         : ocr::Resize(picture, to_width, to_height);
    const auto time = std::chrono::steady_clock::now() - start;
    const size_t most = peak - before;
    int64_t bound = 0;
    if (what == "decode") {
      const absl::StatusOr<ocr::Header> header = ocr::ReadHeader(file, {});
      if (header.ok()) bound = ocr::DecodeMemory(*header);
    }
    if (result.ok()) {
      std::cout << "ok " << result->width << " " << result->height << " "
                << most << " " << bound << " "
                << std::chrono::nanoseconds(time).count() << "\n";
      std::cout.write(reinterpret_cast<const char*>(result->bgr.data()),
                      static_cast<std::streamsize>(result->bgr.size()));
    } else {
      std::cout << "error " << absl::StatusCodeToString(result.status().code())
                << " " << most << " " << bound << " "
                << result.status().message() << "\n";
    }
    std::cout.flush();
  }
  return 0;
}

}  // namespace

int main() { return Run(); }
