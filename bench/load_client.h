// The connections of one protocol, as what picks requests sees them.
#ifndef BENCH_LOAD_CLIENT_H_
#define BENCH_LOAD_CLIENT_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/load_case.h"

using Clock = std::chrono::steady_clock;

// What waits for a file descriptor.
class Waiter {
 public:
  virtual ~Waiter() = default;
  virtual void OnReady(bool readable, bool writable) = 0;
};

class Poller {
 public:
  Poller() : epoll_(epoll_create1(0)) {}
  ~Poller() { close(epoll_); }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void Add(int fd, Waiter* waiter) { Set(EPOLL_CTL_ADD, fd, waiter, EPOLLIN); }
  void Remove(int fd) { Set(EPOLL_CTL_DEL, fd, nullptr, 0); }
  void Want(int fd, Waiter* waiter, bool writable) {
    Set(EPOLL_CTL_MOD, fd, waiter, EPOLLIN | (writable ? EPOLLOUT : 0u));
  }
  // Events of this round may still name it.
  void DeleteLater(std::unique_ptr<Waiter> waiter) {
    ended_.push_back(std::move(waiter));
  }

  void Wait(Clock::time_point until) {
    const auto left = std::max<int64_t>(
        0, std::chrono::nanoseconds(until - Clock::now()).count());
    timespec time = {};
    time.tv_sec = left / 1'000'000'000;
    time.tv_nsec = left % 1'000'000'000;
    std::array<epoll_event, 256> events;
    const int count = epoll_pwait2(
        epoll_, events.data(), static_cast<int>(events.size()), &time, nullptr);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      static_cast<Waiter*>(event.data.ptr)
          ->OnReady((event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0,
                    (event.events & EPOLLOUT) != 0);
    }
    ended_.clear();
  }

 private:
  void Set(int how, int fd, Waiter* waiter, uint32_t events) const {
    epoll_event event = {};
    event.events = events;
    event.data.ptr = waiter;
    epoll_ctl(epoll_, how, fd, &event);
  }

  const int epoll_;
  std::vector<std::unique_ptr<Waiter>> ended_;
};

// Where new connections go: on loopback, to the ports in turn.
class Ports {
 public:
  // Where nobody is ready, those that were are as good as any.
  void Set(std::vector<int> ports) {
    if (!ports.empty()) ports_ = std::move(ports);
  }

  // A socket; -1, and errno, where nobody takes it. The next one goes
  // elsewhere.
  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port =
        htons(static_cast<uint16_t>(ports_[next_++ % ports_.size()]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
        0) {
      const int error = errno;
      close(fd);
      errno = error;
      ++refusals_;
      return -1;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
  }

  bool empty() const { return ports_.empty(); }
  void OnSent() { refusals_ = 0; }
  // So many were refused in a row that nobody is there any more.
  bool deserted() const { return refusals_ >= kMaxRefusals; }

 private:
  static constexpr int kMaxRefusals = 100;

  std::vector<int> ports_;
  size_t next_ = 0;
  int refusals_ = 0;
};

// A request that is under way.
struct Asked {
  Case* what = nullptr;
  Clock::time_point due;
};

// Hears once what becomes of each request.
class Results {
 public:
  virtual ~Results() = default;
  virtual void OnAnswer(const Asked& asked, Answer answer) = 0;
  virtual void OnLost(const Asked& asked, const std::string& why) = 0;
  // It is sent again, as no server has looked at it: counted beside the others.
  virtual void OnSentAgain() = 0;
};

class Client {
 public:
  virtual ~Client() = default;
  // All connections. False, and errno, where one is refused.
  virtual bool Open() = 0;
  // Whether a further request can be sent now.
  virtual bool has_room() const = 0;
  virtual void Send(const Asked& asked) = 0;
  // Nothing is under way.
  virtual bool idle() const = 0;
  // What is under way is lost.
  virtual void Abandon() = 0;
};

#endif  // BENCH_LOAD_CLIENT_H_
