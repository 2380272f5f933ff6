// What orders threads in absl, for --config=tsan. Debian's archives of absl are
// not built for the sanitizer, which would see no lock in absl::Mutex and no
// count in what absl::Cords share, and a race in all that these guard; so the
// calls that this tree makes go through here (ld's --wrap, BUILD.bazel).

#include <sanitizer/tsan_interface.h>

#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#define REAL(symbol) __asm__("__real_" symbol)
#define WRAP(symbol) __asm__("__wrap_" symbol)
#define MUTEX "_ZN4absl7debian35Mutex"
#define LOCK MUTEX "4LockEv"
#define UNLOCK MUTEX "6UnlockEv"
#define AWAIT MUTEX "5AwaitERKNS0_9ConditionE"
#define AWAIT_FOR MUTEX "16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE"
#define NOTIFY "_ZN4absl7debian312Notification6NotifyEv"
#define DESTROY_CORD "_ZN4absl7debian34Cord15DestroyCordSlowEv"
#define REMOVE_PREFIX "_ZN4absl7debian34Cord12RemovePrefixEm"
#define DESTROY_REP "_ZN4absl7debian313cord_internal7CordRep7DestroyEPS2_"
#define WAIT "_ZNK4absl7debian312Notification19WaitForNotificationEv"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

class IgnoreReads {
 public:
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

void RealLock(absl::Mutex* mutex) REAL(LOCK);
void WrapLock(absl::Mutex* mutex) WRAP(LOCK);
void WrapLock(absl::Mutex* mutex) {
  RealLock(mutex);
  __tsan_acquire(mutex);
}

void RealUnlock(absl::Mutex* mutex) REAL(UNLOCK);
void WrapUnlock(absl::Mutex* mutex) WRAP(UNLOCK);
void WrapUnlock(absl::Mutex* mutex) {
  __tsan_release(mutex);
  const IgnoreReads ignore;
  RealUnlock(mutex);
}

void RealAwait(absl::Mutex* mutex, const absl::Condition& due) REAL(AWAIT);
void WrapAwait(absl::Mutex* mutex, const absl::Condition& due) WRAP(AWAIT);
void WrapAwait(absl::Mutex* mutex, const absl::Condition& due) {
  __tsan_release(mutex);
  {
    const IgnoreReads ignore;
    RealAwait(mutex, due);
  }
  __tsan_acquire(mutex);
}

bool RealAwaitFor(absl::Mutex* mutex, const absl::Condition& due,
                  absl::Duration most) REAL(AWAIT_FOR);
bool WrapAwaitFor(absl::Mutex* mutex, const absl::Condition& due,
                  absl::Duration most) WRAP(AWAIT_FOR);
bool WrapAwaitFor(absl::Mutex* mutex, const absl::Condition& due,
                  absl::Duration most) {
  __tsan_release(mutex);
  bool is_due = false;
  {
    const IgnoreReads ignore;
    is_due = RealAwaitFor(mutex, due, most);
  }
  __tsan_acquire(mutex);
  return is_due;
}

void RealNotify(absl::Notification* notification) REAL(NOTIFY);
void WrapNotify(absl::Notification* notification) WRAP(NOTIFY);
void WrapNotify(absl::Notification* notification) {
  __tsan_release(notification);
  RealNotify(notification);
}

void RealWait(const absl::Notification* notification) REAL(WAIT);
void WrapWait(const absl::Notification* notification) WRAP(WAIT);
void WrapWait(const absl::Notification* notification) {
  RealWait(notification);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
}

// One for all Cords, as what they share is hidden in them: whoever lets go of a
// part comes before whoever deletes one.
char cords;

void RealDestroyCord(absl::Cord* cord) REAL(DESTROY_CORD);
void WrapDestroyCord(absl::Cord* cord) WRAP(DESTROY_CORD);
void WrapDestroyCord(absl::Cord* cord) {
  __tsan_release(&cords);
  RealDestroyCord(cord);
}

void RealRemovePrefix(absl::Cord* cord, size_t size) REAL(REMOVE_PREFIX);
void WrapRemovePrefix(absl::Cord* cord, size_t size) WRAP(REMOVE_PREFIX);
void WrapRemovePrefix(absl::Cord* cord, size_t size) {
  __tsan_release(&cords);
  RealRemovePrefix(cord, size);
}

void RealDestroyRep(absl::cord_internal::CordRep* rep) REAL(DESTROY_REP);
void WrapDestroyRep(absl::cord_internal::CordRep* rep) WRAP(DESTROY_REP);
void WrapDestroyRep(absl::cord_internal::CordRep* rep) {
  __tsan_acquire(&cords);
  RealDestroyRep(rep);
}
