#include "cc/worker/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/signals.h"
#include "cc/worker/wire.h"

namespace worker {
namespace {

enum class Command : int64_t { kSpawn, kKill };

std::string Words(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("was ended by signal ", WTERMSIG(status), " (",
                        strsignal(WTERMSIG(status)), ")");
  }
  return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
}

// Where memory runs out, the kernel ends whoever has the most of it and of
// this: a worker, which can start again, and not the process that answers.
void FavourTheServer() {
  constexpr int kMore = 300;  // thousandths of the machine's memory
  constexpr int kMost = 1000;
  const Fd file(open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  char text[16] = {};
  int score = 0;
  if (read(file.get(), text, sizeof(text) - 1) <= 0 ||
      !absl::SimpleAtoi(text, &score)) {
    return;
  }
  const std::string more = absl::StrCat(std::min(score + kMore, kMost));
  // Where it is refused, nothing is lost but this.
  if (write(file.get(), more.data(), more.size()) < 0) errno = 0;
}

// The process that forks: no locks, no heap but its own.
class Forker {
 public:
  Forker(Channel channel, Spawner::Main main, int64_t max_memory_mb)
      : channel_(std::move(channel)),
        main_(std::move(main)),
        max_memory_mb_(max_memory_mb) {}

  // Never returns in this process; in a worker it does, with its exit code.
  int Run() {
    auto exits = base::Signals::Count({SIGCHLD});
    if (!exits.ok()) _exit(1);
    exits_ = *std::move(exits);
    while (true) {
      pollfd ready[] = {{channel_.fd(), POLLIN, 0}, {exits_->fd(), POLLIN, 0}};
      if (poll(ready, 2, -1) < 0) continue;
      if (exits_->Take() > 0) Reap();
      if (ready[0].revents == 0) continue;
      auto message = channel_.Receive(/*wait=*/false);
      if (!message.ok()) End();  // the server is gone
      if (!message->has_value()) continue;
      if (const auto code = Obey(**std::move(message))) return *code;
    }
  }

 private:
  void Reap() {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
      for (auto child = children_.begin(); child != children_.end(); ++child) {
        if (child->second != pid) continue;
        Tell(child->first, Words(status));
        children_.erase(child);
        break;
      }
    }
  }

  [[noreturn]] void End() {
    for (const auto& [worker, pid] : children_) kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    _exit(0);
  }

  void Tell(int64_t worker, const std::string& why) {
    Writer writer;
    writer.Int(worker);
    writer.String(why);
    if (!channel_.Send(writer.bytes()).ok()) End();
  }

  // The exit code, in a worker.
  std::optional<int> Obey(Message message) {
    Reader reader(message.bytes);
    const auto command = static_cast<Command>(reader.Int());
    const int64_t worker = reader.Int();
    if (command == Command::kKill) {
      const auto child = children_.find(worker);
      if (child != children_.end()) kill(child->second, SIGKILL);
      return std::nullopt;
    }
    const pid_t forker = getpid();
    const pid_t pid = fork();
    if (pid > 0) {
      children_[worker] = pid;
      return std::nullopt;
    }
    if (pid < 0) {
      Tell(worker, absl::StrCat("could not be started: ", strerror(errno)));
      return std::nullopt;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != forker) _exit(1);
    exits_.reset();
    if (max_memory_mb_ > 0) {
      const rlim_t bytes = static_cast<rlim_t>(max_memory_mb_) << 20;
      const rlimit limit = {bytes, bytes};
      setrlimit(RLIMIT_DATA, &limit);
    }
    FavourTheServer();
    // No file with all its memory for each crash.
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    Channel control(std::move(message.fds.at(0)));
    std::vector<Channel> slots;
    for (size_t i = 1; i < message.fds.size(); ++i) {
      slots.emplace_back(std::move(message.fds[i]));
    }
    const Spawner::Main main = std::move(main_);
    return main(std::move(control), std::move(slots));
  }

  Channel channel_;
  Spawner::Main main_;
  const int64_t max_memory_mb_;
  std::unique_ptr<base::Signals> exits_;  // of children
  std::map<int64_t, pid_t> children_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Spawner>> Spawner::Start(Main main,
                                                        int64_t max_memory_mb) {
  auto ends = Channel::Pair();
  if (!ends.ok()) return ends.status();
  const pid_t server = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "cannot make a process");
  if (pid > 0) {
    return std::unique_ptr<Spawner>(new Spawner(pid, std::move(ends->first)));
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != server) _exit(1);
  // Whoever ends the server by a signal to its group, as a terminal does, means
  // the server: it ends its workers when it has answered.
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    signal(number, SIG_IGN);
  }
  // Its own end is in the parent, which would else not be seen to go.
  {
    const Channel parents = std::move(ends->first);
  }
  _exit(Forker(std::move(ends->second), std::move(main), max_memory_mb).Run());
}

Spawner::~Spawner() {
  watch_.reset();
  {
    const Channel closed = std::move(channel_);
  }
  waitpid(pid_, nullptr, 0);
}

void Spawner::Attach(base::Loop* loop, std::function<void()> on_lost) {
  on_lost_ = std::move(on_lost);
  watch_ = std::make_unique<base::Watch>(loop, channel_.fd(),
                                         [this](bool, bool) { OnMessage(); });
  watch_->Want(/*read=*/true, /*write=*/false);
}

void Spawner::OnMessage() {
  while (true) {
    auto message = channel_.Receive(/*wait=*/false);
    if (message.ok() && !message->has_value()) return;
    if (!message.ok()) {
      // Killed by somebody, with all workers.
      lost_ = true;
      watch_.reset();
      auto all = std::exchange(on_exit_, {});
      for (auto& [worker, on_exit] : all) {
        on_exit("lost the process that started it");
      }
      if (on_lost_ != nullptr) on_lost_();
      return;
    }
    Reader reader((*message)->bytes);
    const int64_t worker = reader.Int();
    const std::string why = reader.String();
    const auto found = on_exit_.find(worker);
    if (found == on_exit_.end()) continue;
    const OnExit on_exit = std::move(found->second);
    on_exit_.erase(found);
    on_exit(why);
  }
}

absl::StatusOr<int64_t> Spawner::Spawn(Channel control,
                                       std::vector<Channel> slots,
                                       OnExit on_exit) {
  Writer writer;
  writer.Int(static_cast<int64_t>(Command::kSpawn));
  writer.Int(++last_);
  std::vector<int> fds = {control.fd()};
  for (const Channel& slot : slots) fds.push_back(slot.fd());
  if (absl::Status status = channel_.Send(writer.bytes(), fds); !status.ok()) {
    return status;
  }
  on_exit_[last_] = std::move(on_exit);
  return last_;
}

void Spawner::Kill(int64_t worker) {
  Writer writer;
  writer.Int(static_cast<int64_t>(Command::kKill));
  writer.Int(worker);
  channel_.Send(writer.bytes()).IgnoreError();
}

void Spawner::Forget(int64_t worker) { on_exit_.erase(worker); }

}  // namespace worker
