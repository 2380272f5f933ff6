// Ends a program that holds the engine in a sentence where the CPU lacks AVX.
//
// Paddle's libraries are compiled for AVX, initialisers included: such a CPU
// would end the program with signal 4 before main, and no word. What is in
// .preinit_array runs before the initialisers of every library.

#if defined(__x86_64__)

#include <unistd.h>

namespace {

constexpr char kSentence[] =
    "This CPU has no AVX instructions, which Paddle needs. In a virtual "
    "machine, give it the CPU of its host (QEMU: -cpu host, libvirt: "
    "<cpu mode='host-passthrough'/>); else take a machine that has them.\n";

void NeedAvx() {
  __builtin_cpu_init();  // no constructor has run yet
  if (__builtin_cpu_supports("avx")) return;
  if (write(STDERR_FILENO, kSentence, sizeof(kSentence) - 1) < 0) _exit(2);
  _exit(1);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*need_avx)() = NeedAvx;

}  // namespace

#endif  // __x86_64__
