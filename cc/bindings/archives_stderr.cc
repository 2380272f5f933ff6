// Debian's libjpeg.a and libpng16.a are compiled for programs: they take the
// address of libc's `stderr` for one at a fixed distance, which it has from no
// shared library. The linker gives them this one (`--wrap`, BUILD.bazel).
// Nothing is written there: //cc/ocr/picture has their errors told elsewhere.
#include <cstdio>

extern "C" {
extern FILE* __real_stderr;           // NOLINT
FILE* __wrap_stderr = __real_stderr;  // NOLINT
}
