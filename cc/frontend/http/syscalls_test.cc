// What a request costs in system calls, counted where the C library is called.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <map>
#include <string>

#include "cc/frontend/http/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// Of the thread that sets it.
thread_local std::map<std::string, int>* calls = nullptr;

void Count(const char* name) {
  if (calls != nullptr) ++(*calls)[name];
}

}  // namespace

// In the place of the C library's, also for libevent, which is linked
// statically.
extern "C" {

int epoll_wait(int fd, epoll_event* events, int size, int timeout) {
  Count("epoll_wait");
  return static_cast<int>(
      syscall(SYS_epoll_pwait, fd, events, size, timeout, nullptr, _NSIG / 8));
}
int epoll_ctl(int fd, int what, int of, epoll_event* event) noexcept {
  Count("epoll_ctl");
  return static_cast<int>(syscall(SYS_epoll_ctl, fd, what, of, event));
}
ssize_t recv(int fd, void* data, size_t size, int flags) {
  Count("recv");
  return syscall(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
}
ssize_t send(int fd, const void* data, size_t size, int flags) {
  Count("send");
  return syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  Count("sendmsg");
  return syscall(SYS_sendmsg, fd, message, flags);
}
ssize_t read(int fd, void* data, size_t size) {
  Count("read");
  return syscall(SYS_read, fd, data, size);
}
ssize_t write(int fd, const void* data, size_t size) {
  Count("write");
  return syscall(SYS_write, fd, data, size);
}
ssize_t readv(int fd, const iovec* parts, int size) {
  Count("readv");
  return syscall(SYS_readv, fd, parts, size);
}
ssize_t writev(int fd, const iovec* parts, int size) {
  Count("writev");
  return syscall(SYS_writev, fd, parts, size);
}
int ioctl(int fd, unsigned long what, ...) noexcept {
  Count("ioctl");
  va_list arguments;
  va_start(arguments, what);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return static_cast<int>(syscall(SYS_ioctl, fd, what, argument));
}

}  // extern "C"

namespace http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class SyscallsTest : public ServerTest {
 protected:
  // What the server's thread calls while the client does `f`.
  template <typename F>
  std::map<std::string, int> CallsDuring(F f) {
    std::map<std::string, int> counted;
    OnLoop([&] { calls = &counted; });
    f();
    OnLoop([] { calls = nullptr; });
    // OnLoop's own: the call that waits for it, when the loop is idle.
    return counted;
  }
};

TEST_F(SyscallsTest, ASmallRequestOnAKeptConnectionTakesThree) {
  options_.limits.body_bytes = 1 << 20;
  Start();
  Client client(port());
  const std::string request = PostOf("/echo", std::string(12'288, 'x'));
  const auto ask = [&] {
    ASSERT_TRUE(client.Send(request));
    ASSERT_EQ(client.ReadAnswer().size(), 12'288u);
  };
  ask();
  constexpr int kRequests = 500;
  const auto counted = CallsDuring([&] {
    for (int i = 0; i < kRequests; ++i) ask();
  });
  int all = 0;
  for (const auto& [name, count] : counted) all += count;
  // A request that the kernel brings in two pieces takes two calls more.
  EXPECT_LE(all, 4 * kRequests) << ::testing::PrintToString(counted);
  EXPECT_THAT(counted, ElementsAre(Pair("epoll_wait", ::testing::_),
                                   Pair("recv", ::testing::_),
                                   Pair("sendmsg", kRequests)));
}

TEST_F(SyscallsTest, AnAnswerOfManyPartsIsSentAtOnce) {
  options_.limits.body_bytes = 1 << 20;
  Start();
  Client client(port());
  std::string body;
  std::string chunks =
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    const std::string part(5'000, static_cast<char>('a' + i));
    body += part;
    chunks += "1388\r\n" + part + "\r\n";
  }
  chunks += "0\r\n\r\n";
  const auto counted = CallsDuring([&] {
    ASSERT_TRUE(client.Send(chunks));
    ASSERT_EQ(client.ReadAnswer(), body);
  });
  EXPECT_THAT(counted, ::testing::Contains(Pair("sendmsg", 1)));
}

}  // namespace
}  // namespace http
