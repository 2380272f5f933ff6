#include "bench/load_http.h"

#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

size_t Header(std::string_view head, const char* name) {
  for (size_t line = head.find("\r\n"); line != head.npos;
       line = head.find("\r\n", line + 2)) {
    const char* at = head.data() + line + 2;
    if (strncasecmp(at, name, std::strlen(name)) == 0 &&
        at[std::strlen(name)] == ':') {
      return std::strtoull(at + std::strlen(name) + 1, nullptr, 10);
    }
  }
  return 0;
}

class Http;

class Connection : public Waiter {
 public:
  explicit Connection(Http* client) : client_(*client) {}
  ~Connection() override {
    if (socket_ >= 0) close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Unless it is there. False, and errno, where it is refused.
  bool Connect();
  void Ask(const Asked& asked);
  void Lose(const std::string& why);
  void OnReady(bool readable, bool writable) override;

 private:
  void Write();
  void Read();
  void Take(std::string_view head, std::string body);
  void Close();

  Http& client_;
  int socket_ = -1;
  std::optional<Asked> asked_;  // none while idle
  size_t written_ = 0;
  std::string input_;
};

class Http : public Client {
 public:
  Http(Poller* poller, Ports* ports, Results* results, int connections)
      : poller_(*poller), ports_(*ports), results_(*results) {
    for (int i = 0; i < connections; ++i) {
      idle_.push_back(&connections_.emplace_back(this));
    }
  }

  bool Open() override {
    return std::all_of(connections_.begin(), connections_.end(),
                       [](Connection& one) { return one.Connect(); });
  }
  bool has_room() const override { return !idle_.empty(); }
  bool idle() const override { return idle_.size() == connections_.size(); }

  void Send(const Asked& asked) override {
    Connection* connection = idle_.front();
    if (!connection->Connect()) {
      // The request is lost; the next one goes to another port.
      results_.OnLost(asked, std::strerror(errno));
      return;
    }
    ports_.OnSent();
    idle_.pop_front();
    connection->Ask(asked);
  }

  void Abandon() override {
    for (Connection& connection : connections_) connection.Lose("no answer");
  }

 private:
  friend class Connection;

  Poller& poller_;
  Ports& ports_;
  Results& results_;
  std::deque<Connection> connections_;
  std::deque<Connection*> idle_;
};

bool Connection::Connect() {
  if (socket_ >= 0) return true;
  socket_ = client_.ports_.Connect();
  if (socket_ >= 0) client_.poller_.Add(socket_, this);
  return socket_ >= 0;
}

void Connection::Ask(const Asked& asked) {
  asked_ = asked;
  written_ = 0;
  input_.clear();
  Write();
}

void Connection::Lose(const std::string& why) {
  if (!asked_) return;
  client_.results_.OnLost(*std::exchange(asked_, std::nullopt), why);
  client_.idle_.push_back(this);
}

void Connection::OnReady(bool readable, bool writable) {
  if (writable) Write();
  if (readable) Read();
}

void Connection::Write() {
  if (!asked_ || socket_ < 0) return;
  const std::string& request = asked_->what->request;
  while (written_ < request.size()) {
    const ssize_t count =
        send(socket_, request.data() + written_, request.size() - written_,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
      // Where the server has closed, what it answered is still to be read.
      client_.poller_.Want(socket_, this, errno == EAGAIN);
      return;
    }
    written_ += static_cast<size_t>(count);
  }
  client_.poller_.Want(socket_, this, false);
}

void Connection::Read() {
  if (socket_ < 0) return;
  constexpr size_t kRead = 64 << 10;
  const size_t before = input_.size();
  input_.resize(before + kRead);
  const ssize_t count =
      recv(socket_, input_.data() + before, kRead, MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) {
    input_.resize(before);
    return;
  }
  input_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count <= 0) {
    // Idle connections may end; a request on one may not.
    Close();
    Lose("the connection ended");
    return;
  }
  const size_t end = input_.find("\r\n\r\n");
  if (!asked_ || end == std::string::npos) return;
  const std::string_view head(input_.data(), end + 2);
  if (input_.size() < end + 4 + Header(head, "Content-Length")) return;
  Take(head, input_.substr(end + 4));
}

void Connection::Take(std::string_view head, std::string body) {
  Answer answer;
  answer.status = std::atoi(input_.c_str() + 9);
  answer.json = Header(head, "Inference-Header-Content-Length");
  answer.body = std::move(body);
  const Asked asked = *std::exchange(asked_, std::nullopt);
  if (head.find("onnection: close") != std::string_view::npos ||
      written_ < asked.what->request.size()) {
    Close();
  }
  client_.idle_.push_back(this);
  client_.results_.OnAnswer(asked, std::move(answer));
}

void Connection::Close() { close(std::exchange(socket_, -1)); }

}  // namespace

std::unique_ptr<Client> HttpClient(Poller* poller, Ports* ports,
                                   Results* results, int connections) {
  return std::make_unique<Http>(poller, ports, results, connections);
}
