// Memory that was freed: kept for who comes next, or back to the system.
#ifndef CC_BASE_FREED_MEMORY_H_
#define CC_BASE_FREED_MEMORY_H_

#include <malloc.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

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

// From here on what is freed stays until ReturnFreedMemory is called, in this
// process, which has no second thread yet. jemalloc else gives it back between
// the operators of a run, and each of the next has its pages made anew: half of
// the time of a page by PP-OCRv5.
// Nothing changes where nobody could tell how much that is.
inline void KeepFreedMemory() {
  size_t pages = 0, size = sizeof(pages);
  if (mallctl == nullptr ||
      mallctl("stats.arenas.4096.pdirty", &pages, &size, nullptr, 0) != 0) {
    return;
  }
  ssize_t never = -1;
  for (const char* arenas :
       {"arenas.dirty_decay_ms", "arena.0.dirty_decay_ms"}) {
    mallctl(arenas, nullptr, nullptr, &never, sizeof(never));
  }
}

// What is kept so. 0: nobody tells.
inline size_t FreedBytes() {
  size_t pages = 0, page = 0, size = sizeof(size_t);
  uint64_t epoch = 1;  // of jemalloc's counts, which are told as of the last
  if (mallctl == nullptr ||
      mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch)) != 0 ||
      mallctl("arenas.page", &page, &size, nullptr, 0) != 0 ||
      mallctl("stats.arenas.4096.pdirty", &pages, &size, nullptr, 0) != 0) {
    return 0;
  }
  return pages * page;
}

}  // namespace base

#endif  // CC_BASE_FREED_MEMORY_H_
