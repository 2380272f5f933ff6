// Hides TEST_TMPDIR, which Bazel sets for tests, from Paddle's libraries while
// they are initialised.
//
// glog takes it for the default of FLAGS_log_dir. libpaddle.so and
// libphi_core.so of Paddle 3 have a glog each, whose flags the loader merges:
// both construct that string, and at the end of the program both destroy it. A
// string that is longer than the 15 bytes that need no heap is then freed
// twice. So it is with GOOGLE_LOG_DIR and GLOG_log_dir, but those are set by
// who wants them.

#include <cstring>

namespace {

constexpr char kName[] = "TEST_TMPDIR=";
char* hidden = nullptr;

void Hide(int, char**, char** environment) {
  for (; *environment != nullptr; ++environment) {
    if (std::strncmp(*environment, kName, sizeof(kName) - 1) != 0) continue;
    hidden = *environment;
    *hidden = '_';
  }
}

// The program's own initialisers come after those of its libraries.
[[gnu::constructor(101)]] void Show() {
  if (hidden != nullptr) *hidden = *kName;
}

[[gnu::section(".preinit_array"), gnu::used]] void (*hide)(int, char**,
                                                           char**) = Hide;

}  // namespace
