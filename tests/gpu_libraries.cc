// Runs within an image: has Paddle's own loader open libraries, and says which
// it finds.
//
//   gpu_libraries LIBPHI FUNCTION...
//
// FUNCTION is the mangled name of one of phi::dynload::Get*DsoHandle().
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char** argv) {
  void* phi = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : nullptr;
  if (phi == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  for (int i = 2; i < argc; ++i) {
    auto function = reinterpret_cast<void* (*)()>(dlsym(phi, argv[i]));
    void* handle = nullptr;
    try {
      handle = function != nullptr ? function() : nullptr;
    } catch (const std::exception&) {
      // Paddle's way to say that there is none.
    }
    std::printf("%s %s\n", argv[i], handle != nullptr ? "found" : "missing");
  }
  std::fflush(stdout);
  _Exit(0);  // the order in which so many libraries go is theirs to mend
}
