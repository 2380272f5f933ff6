// What was freed, back to the system.
#ifndef CC_BASE_FREED_MEMORY_H_
#define CC_BASE_FREED_MEMORY_H_

#include <malloc.h>

#include <cstddef>

// jemalloc's control of itself, where it is what allocates (jemalloc(3)).
extern "C" int mallctl(const char* name, void* old, size_t* old_size,
                       void* value, size_t size) __attribute__((weak));

namespace base {

// Of libc's allocator or jemalloc's, which would keep it for some seconds.
inline void ReturnFreedMemory() {
  // MALLCTL_ARENAS_ALL is 4096.
  if (mallctl != nullptr) {
    mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  }
  malloc_trim(0);
}

}  // namespace base

#endif  // CC_BASE_FREED_MEMORY_H_
