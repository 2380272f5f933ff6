// Coverage by gcc for libFuzzer. gcc's -fsanitize-coverage=trace-pc calls
// __sanitizer_cov_trace_pc() at each edge, which libFuzzer has dropped in
// favour of clang's inline counters; those are what it gets here: one byte for
// each place in the program, by a hash of it. gcc's calls at comparisons
// (trace-cmp) are clang's, but for two.
// https://clang.llvm.org/docs/SanitizerCoverage.html
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {

void __sanitizer_cov_8bit_counters_init(uint8_t* begin, uint8_t* end);
void __sanitizer_cov_pcs_init(const uintptr_t* begin, const uintptr_t* end);
extern const char __executable_start;

}  // extern "C"

namespace {

// Programs here have some 30,000 edges.
constexpr int kBits = 17;
uint8_t counters[size_t{1} << kBits];
// libFuzzer wants a pair of words for each counter, and counts those pairs of
// which a counter was ever set ("cov:"); what they say is for its reports only.
uintptr_t places[sizeof(counters) * 2];

__attribute__((constructor)) void Register() {
  __sanitizer_cov_8bit_counters_init(counters, counters + sizeof(counters));
  __sanitizer_cov_pcs_init(places, places + sizeof(counters) * 2);
}

}  // namespace

// libFuzzer has an empty function of the name, hence the linker's --wrap.
extern "C" void __wrap___sanitizer_cov_trace_pc() {
  const uintptr_t place =
      reinterpret_cast<uintptr_t>(__builtin_return_address(0)) -
      reinterpret_cast<uintptr_t>(&__executable_start);
  // Fibonacci hashing; the program's own address differs from run to run, and
  // does not count.
  ++counters[(place * 0x9e3779b97f4a7c15) >> (64 - kBits)];
}

// Comparisons of floating-point numbers are gcc's own: to libFuzzer, of bits.
extern "C" {

void __sanitizer_cov_trace_cmp4(uint32_t a, uint32_t b);
void __sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b);

void __sanitizer_cov_trace_cmpf(float a, float b) {
  uint32_t bits[2];
  std::memcpy(&bits[0], &a, sizeof(a));
  std::memcpy(&bits[1], &b, sizeof(b));
  __sanitizer_cov_trace_cmp4(bits[0], bits[1]);
}

void __sanitizer_cov_trace_cmpd(double a, double b) {
  uint64_t bits[2];
  std::memcpy(&bits[0], &a, sizeof(a));
  std::memcpy(&bits[1], &b, sizeof(b));
  __sanitizer_cov_trace_cmp8(bits[0], bits[1]);
}

}  // extern "C"
