// Coded bytes for tests, made by zlib itself in other ways than ours.
#ifndef CC_FRONTEND_CODING_TESTING_H_
#define CC_FRONTEND_CODING_TESTING_H_

#include <zlib.h>

#include <string>

#include "absl/strings/string_view.h"

namespace coding {

inline constexpr int kGzipFormat = 31;  // zlib's windowBits
inline constexpr int kZlibFormat = 15;
inline constexpr int kRawFormat = -15;

inline std::string Compressed(absl::string_view plain, int format) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, format, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

// Of a gzip or zlib stream; "" where it is none.
inline std::string Decompressed(absl::string_view coded) {
  z_stream stream = {};
  inflateInit2(&stream, 15 + 32);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));
  stream.avail_in = static_cast<uInt>(coded.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK) {
    char buffer[4096];
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof(buffer);
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof(buffer) - stream.avail_out);
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END && stream.avail_in == 0 ? out : "";
}

}  // namespace coding

#endif  // CC_FRONTEND_CODING_TESTING_H_
