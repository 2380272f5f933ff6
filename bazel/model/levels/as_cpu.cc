// Runs a program, at full speed, as if on another CPU: `as_cpu zen2
// PROGRAM...`.
//
// Libraries ask the CPUID instruction what they may use. Where processor and
// kernel can make CPUID trap (arch_prctl ARCH_SET_CPUID: Intel since Ivy
// Bridge), this process traces the program, answers in the instruction's
// place, and takes features away that the real CPU has. No library has to be
// preloaded and no signal handler of the program is in the way; threads,
// children and what they exec see the same CPU.
//
// What it cannot do: keep the program stopped by SIGSTOP; add a feature; change
// what an instruction computes. The approximate ones (RSQRTPS, RCPPS) differ
// between Intel's and AMD's silicon.
// XGETBV and /proc/cpuinfo tell of the real CPU; whoever reads XGETBV asks
// CPUID first.
//
// Exit status: the program's; 128 + N after signal N; 125 where the CPU cannot
// be shown here (one sentence on stderr says why); 2 for a wrong command line.

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>

namespace {

constexpr int kNotHere = 125;
constexpr int kSyscallStop = SIGTRAP | 0x80;  // by PTRACE_O_TRACESYSGOOD

// Vector instruction sets, each with all before it.
enum Isa { kSse42, kAvx, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx };

// Intel's and AMD's CPUs of each kind that libraries tell apart. The signature
// is CPUID's leaf 1 EAX: family, model, stepping.
struct Cpu {
  const char* name;
  const char* vendor;
  uint32_t signature;
  Isa isa;
};
constexpr Cpu kCpus[] = {
    {"nehalem", "GenuineIntel", 0x106a5, kSse42},
    {"sandy-bridge", "GenuineIntel", 0x206a7, kAvx},
    {"haswell", "GenuineIntel", 0x306c3, kAvx2},
    {"skylake-server", "GenuineIntel", 0x50654, kAvx512},
    {"icelake-server", "GenuineIntel", 0x606a6, kAvx512Vnni},
    {"sapphire-rapids", "GenuineIntel", 0x806f8, kAmx},
    {"zen2", "AuthenticAMD", 0x830f10, kAvx2},
    {"zen4", "AuthenticAMD", 0xa10f11, kAvx512Bf16},
};

enum Register { kEax, kEbx, kEcx, kEdx };
struct Answer {
  uint32_t reg[4];
};

// A feature's place in CPUID's answers, and the instruction set it came with.
struct Feature {
  uint32_t leaf, subleaf;
  Register reg;
  int bit;
  Isa isa;
  const char* name;
};
constexpr Feature kFeatures[] = {
    {1, 0, kEcx, 28, kAvx, "AVX"},
    {1, 0, kEcx, 12, kAvx2, "FMA"},
    {1, 0, kEcx, 29, kAvx2, "F16C"},
    {7, 0, kEbx, 5, kAvx2, "AVX2"},
    {7, 0, kEbx, 3, kAvx2, "BMI1"},
    {7, 0, kEbx, 8, kAvx2, "BMI2"},
    {7, 0, kEbx, 16, kAvx512, "AVX512F"},
    {7, 0, kEbx, 17, kAvx512, "AVX512DQ"},
    {7, 0, kEbx, 28, kAvx512, "AVX512CD"},
    {7, 0, kEbx, 30, kAvx512, "AVX512BW"},
    {7, 0, kEbx, 31, kAvx512, "AVX512VL"},
    {7, 0, kEbx, 21, kAvx512Vnni, "AVX512IFMA"},
    {7, 0, kEcx, 1, kAvx512Vnni, "AVX512VBMI"},
    {7, 0, kEcx, 6, kAvx512Vnni, "AVX512VBMI2"},
    {7, 0, kEcx, 11, kAvx512Vnni, "AVX512VNNI"},
    {7, 0, kEcx, 12, kAvx512Vnni, "AVX512BITALG"},
    {7, 0, kEcx, 14, kAvx512Vnni, "AVX512VPOPCNTDQ"},
    {7, 1, kEax, 5, kAvx512Bf16, "AVX512BF16"},
    {7, 1, kEax, 4, kAmx, "AVX-VNNI"},
    {7, 0, kEdx, 22, kAmx, "AMX-BF16"},
    {7, 0, kEdx, 23, kAmx, "AVX512FP16"},
    {7, 0, kEdx, 24, kAmx, "AMX-TILE"},
    {7, 0, kEdx, 25, kAmx, "AMX-INT8"},
};
// Newer than every CPU above.
constexpr Feature kNever[] = {
    {7, 1, kEax, 21, kAmx, "AMX-FP16"},
    {7, 1, kEax, 23, kAmx, "AVX-IFMA"},
    {7, 1, kEdx, 4, kAmx, "AVX-VNNI-INT8"},
    {7, 1, kEdx, 5, kAmx, "AVX-NE-CONVERT"},
    {7, 1, kEdx, 8, kAmx, "AMX-COMPLEX"},
    {7, 1, kEdx, 10, kAmx, "AVX-VNNI-INT16"},
    {7, 1, kEdx, 19, kAmx, "AVX10"},
    {7, 0, kEdx, 2, kAmx, "AVX512-4VNNIW"},
    {7, 0, kEdx, 3, kAmx, "AVX512-4FMAPS"},
    {7, 0, kEdx, 8, kAmx, "AVX512-VP2INTERSECT"},
    {7, 0, kEbx, 26, kAmx, "AVX512PF"},
    {7, 0, kEbx, 27, kAmx, "AVX512ER"},
};

Answer RealCpuid(uint32_t leaf, uint32_t subleaf) {
  Answer a;
  __cpuid_count(leaf, subleaf, a.reg[kEax], a.reg[kEbx], a.reg[kEcx],
                a.reg[kEdx]);
  return a;
}

bool IsAmd(const Cpu& cpu) { return cpu.vendor[0] == 'A'; }

// Libraries cut their loops to the caches, so every host tells of the same
// ones. Intel's leaf 4 and AMD's leaf 0x8000001D have one format.
Answer Caches(uint32_t subleaf) {
  struct Cache {
    uint32_t type, level, ways, sets;
  };
  constexpr Cache kCaches[] = {
      {1, 1, 8, 64},         // data, 32 KiB
      {2, 1, 8, 64},         // instructions, 32 KiB
      {3, 2, 16, 1024},      // 1 MiB
      {3, 3, 16, 32 * 1024}  // 32 MiB
  };
  if (subleaf >= std::size(kCaches)) return {};
  const Cache& c = kCaches[subleaf];
  constexpr uint32_t kSelfInitialising = 1 << 8;
  constexpr uint32_t kLineBytes = 64;
  return {{c.type | c.level << 5 | kSelfInitialising,
           (c.ways - 1) << 22 | (kLineBytes - 1), c.sets - 1, 0}};
}

// What the other CPU would answer.
Answer Cpuid(const Cpu& cpu, uint32_t leaf, uint32_t subleaf) {
  constexpr uint32_t kExtended = 0x80000000;
  constexpr uint32_t kLastExtended = 0x8000001d;
  const uint32_t real_extended = RealCpuid(kExtended, 0).reg[kEax];
  Answer a{};
  if (leaf < kExtended || leaf <= real_extended) a = RealCpuid(leaf, subleaf);
  if (leaf == 0) {
    memcpy(&a.reg[kEbx], cpu.vendor, 4);
    memcpy(&a.reg[kEdx], cpu.vendor + 4, 4);
    memcpy(&a.reg[kEcx], cpu.vendor + 8, 4);
  } else if (leaf == 1) {
    a.reg[kEax] = cpu.signature;
  } else if (leaf == 2) {
    // "No descriptors: ask leaf 4."
    a = IsAmd(cpu) ? Answer{} : Answer{{0x00feff01, 0, 0, 0}};
  } else if (leaf == 4) {
    a = IsAmd(cpu) ? Answer{} : Caches(subleaf);
  } else if (leaf == kExtended) {
    a.reg[kEax] = kLastExtended;
    if (IsAmd(cpu)) {
      memcpy(&a.reg[kEbx], cpu.vendor, 4);
      memcpy(&a.reg[kEdx], cpu.vendor + 4, 4);
      memcpy(&a.reg[kEcx], cpu.vendor + 8, 4);
    }
  } else if (leaf == kExtended + 1) {
    constexpr uint32_t kTopologyExtensions =
        1 << 22;  // "Leaf 0x8000001D is there."
    a.reg[kEcx] &= ~kTopologyExtensions;
    if (IsAmd(cpu)) a.reg[kEcx] |= kTopologyExtensions;
  } else if (leaf >= kExtended + 2 && leaf <= kExtended + 4) {
    char brand[48] = {};
    snprintf(brand, sizeof brand, "%s by as_cpu", cpu.name);
    memcpy(&a, brand + (leaf - kExtended - 2) * sizeof a, sizeof a);
  } else if (leaf == kExtended + 5) {
    a = IsAmd(cpu) ? Answer{{0, 0, 0x20080140, 0x20080140}}
                   : Answer{};  // as in Caches()
  } else if (leaf == kExtended + 6) {
    a = IsAmd(cpu) ? Answer{{0, 0, 0x04008140, 0x01009140}}
                   : Answer{{0, 0, 0x04008040, 0}};
  } else if (leaf == kExtended + 0x1d) {
    a = IsAmd(cpu) ? Caches(subleaf) : Answer{};
  }
  for (const Feature& f : kFeatures) {
    if (f.leaf == leaf && f.subleaf == subleaf && f.isa > cpu.isa)
      a.reg[f.reg] &= ~(1u << f.bit);
  }
  for (const Feature& f : kNever) {
    if (f.leaf == leaf && f.subleaf == subleaf) a.reg[f.reg] &= ~(1u << f.bit);
  }
  return a;
}

[[noreturn]] void NotHere(const Cpu& cpu, const char* reason) {
  fprintf(stderr, "as_cpu: %s cannot be shown here: %s\n", cpu.name, reason);
  exit(kNotHere);
}

long SetCpuid(bool allowed) {
  return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed);
}

// Ends the process unless this machine can show the CPU.
void Check(const Cpu& cpu) {
  for (const Feature& f : kFeatures) {
    if (f.isa <= cpu.isa &&
        !(RealCpuid(f.leaf, f.subleaf).reg[f.reg] >> f.bit & 1)) {
      // AVX-VNNI and FP16 may be hidden by a hypervisor: what makes the set is
      // enough.
      static char reason[64];
      snprintf(reason, sizeof reason, "this CPU has no %s", f.name);
      NotHere(cpu, reason);
    }
  }
  if (SetCpuid(false) != 0)
    NotHere(cpu, "CPUID cannot be trapped by this processor or kernel");
  SetCpuid(true);
}

// A step of the tracing that must work; the program is killed with this
// process.
void Must(bool done, const char* step) {
  if (done) return;
  fprintf(stderr, "as_cpu: %s: %s\n", step, strerror(errno));
  exit(kNotHere);
}

// Lets the program run on to its stop by `expected`, and holds other signals
// back for later. False: it was killed, and the next waitpid tells of it.
bool RunTo(pid_t pid, __ptrace_request request, int expected, sigset_t* later) {
  for (;;) {
    siginfo_t info;
    if (ptrace(request, pid, nullptr, nullptr) != 0) return false;
    const int kinds = WEXITED | WSTOPPED | __WALL;
    Must(waitid(P_PID, pid, &info, kinds | WNOWAIT) == 0, "waitid");
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
      return false;
    int status;
    Must(waitpid(pid, &status, __WALL) == pid, "waitpid");
    if (WSTOPSIG(status) == expected) return true;
    sigaddset(later, WSTOPSIG(status));
  }
}

// Lets the freshly exec'ed program trap CPUID, as exec has switched that off:
// makes it run one system call of ours before its first instruction.
void TrapAfterExec(pid_t pid) {
  sigset_t later;
  sigemptyset(&later);
  // From the event to the end of exec, whose result would overwrite our
  // registers.
  if (!RunTo(pid, PTRACE_SYSCALL, kSyscallStop, &later)) return;
  user_regs_struct before;
  Must(ptrace(PTRACE_GETREGS, pid, nullptr, &before) == 0, "ptrace");
  errno = 0;
  const long text = ptrace(PTRACE_PEEKTEXT, pid, before.rip, nullptr);
  Must(errno == 0, "ptrace");
  constexpr long kSyscall = 0x050f;
  Must(ptrace(PTRACE_POKETEXT, pid, before.rip, (text & ~0xffffL) | kSyscall) ==
           0,
       "ptrace");
  user_regs_struct ours = before;
  ours.rax = SYS_arch_prctl;
  ours.orig_rax = -1;
  ours.rdi = ARCH_SET_CPUID;
  ours.rsi = 0;
  Must(ptrace(PTRACE_SETREGS, pid, nullptr, &ours) == 0, "ptrace");
  if (!RunTo(pid, PTRACE_SINGLESTEP, SIGTRAP, &later)) return;
  Must(ptrace(PTRACE_GETREGS, pid, nullptr, &ours) == 0, "ptrace");
  errno = static_cast<int>(-ours.rax);
  Must(ours.rax == 0, "arch_prctl");
  Must(ptrace(PTRACE_POKETEXT, pid, before.rip, text) == 0, "ptrace");
  Must(ptrace(PTRACE_SETREGS, pid, nullptr, &before) == 0, "ptrace");
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&later, signal) == 1) kill(pid, signal);
  }
}

// If the thread stands before a CPUID that trapped, answers in its place.
bool Answered(const Cpu& cpu, pid_t thread) {
  siginfo_t info;
  if (ptrace(PTRACE_GETSIGINFO, thread, nullptr, &info) != 0 ||
      info.si_code != SI_KERNEL) {
    return false;
  }
  user_regs_struct regs;
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &regs) != 0)
    return false;  // killed meanwhile
  unsigned char code[2];
  iovec here{code, sizeof code};
  iovec there{reinterpret_cast<void*>(regs.rip), sizeof code};
  if (process_vm_readv(thread, &here, 1, &there, 1, 0) != sizeof code)
    return false;
  if (code[0] != 0x0f || code[1] != 0xa2) return false;
  // Some leaves tell which core asks: ask on a core that the thread may use.
  cpu_set_t cores;
  if (sched_getaffinity(thread, sizeof cores, &cores) == 0) {
    sched_setaffinity(0, sizeof cores, &cores);
  }
  const Answer a = Cpuid(cpu, static_cast<uint32_t>(regs.rax),
                         static_cast<uint32_t>(regs.rcx));
  regs.rax = a.reg[kEax];
  regs.rbx = a.reg[kEbx];
  regs.rcx = a.reg[kEcx];
  regs.rdx = a.reg[kEdx];
  regs.rip += sizeof code;
  ptrace(PTRACE_SETREGS, thread, nullptr, &regs);
  return true;
}

// Serves the program and its children until the program ends; its exit status.
int Trace(const Cpu& cpu, pid_t program) {
  for (;;) {
    int status;
    const pid_t thread = waitpid(-1, &status, __WALL);
    Must(thread > 0, "waitpid");
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != program) continue;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int signal = WSTOPSIG(status);
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) TrapAfterExec(thread);
    if (event != 0) {
      signal = 0;
    } else if (signal == SIGSTOP) {
      // A new thread's or child's first stop is the tracing's own.
      siginfo_t info;
      if (ptrace(PTRACE_GETSIGINFO, thread, nullptr, &info) != 0 ||
          info.si_pid == 0)
        signal = 0;
    } else if (signal == SIGSEGV && Answered(cpu, thread)) {
      signal = 0;
    }
    // ESRCH: killed meanwhile, the next waitpid tells.
    Must(ptrace(PTRACE_CONT, thread, nullptr, signal) == 0 || errno == ESRCH,
         "ptrace");
  }
}

int Usage() {
  fprintf(stderr, "usage: as_cpu CPU PROGRAM [ARGUMENT...]\nCPUs:");
  for (const Cpu& cpu : kCpus) fprintf(stderr, " %s", cpu.name);
  fprintf(stderr, "\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const Cpu* cpu = nullptr;
  for (const Cpu& known : kCpus) {
    if (argc > 2 && strcmp(known.name, argv[1]) == 0) cpu = &known;
  }
  if (!cpu) return Usage();
  Check(*cpu);
  const pid_t program = fork();
  Must(program >= 0, "fork");
  if (program == 0) {
    Must(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0, "ptrace");
    raise(SIGSTOP);
    execvp(argv[2], argv + 2);
    fprintf(stderr, "as_cpu: %s: %s\n", argv[2], strerror(errno));
    _exit(127);
  }
  int status;
  Must(waitpid(program, &status, 0) == program && WIFSTOPPED(status),
       "waitpid");
  constexpr long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD |
                            PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
                            PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  Must(ptrace(PTRACE_SETOPTIONS, program, nullptr, kOptions) == 0, "ptrace");
  Must(ptrace(PTRACE_CONT, program, nullptr, nullptr) == 0, "ptrace");
  return Trace(*cpu, program);
}
