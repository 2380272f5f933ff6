// The upper bound of a server on one core, and no server to use: one thread
// that polls sockets and runs the engine inline. It reads binary requests that
// are well formed, answers every GET with 200, and has no checks, log, metrics
// or JSON. With --batch it computes whatever one round of epoll brought as one
// batch: the greediest batching without any wait.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/model.h"

namespace {

struct Connection {
  int socket = -1;
  std::string input;  // its size is what may be read
  size_t filled = 0;
  std::string output;
  // Of the request that is whole in `input`.
  const char* tensor = nullptr;
  int rows = 0;
};

size_t HeaderValue(std::string_view head, const char* name) {
  for (size_t line = head.find("\r\n"); line != head.npos;
       line = head.find("\r\n", line + 2)) {
    const char* at = head.data() + line + 2;
    if (strncasecmp(at, name, std::strlen(name)) == 0) {
      return std::strtoull(at + std::strlen(name) + 1, nullptr, 10);
    }
  }
  return 0;
}

class Ideal {
 public:
  Ideal(const std::string& folder, std::string name, int max_rows)
      : model_(folder), name_(std::move(name)), max_rows_(max_rows) {}

  // Binds and serves for ever; returns only when it cannot.
  int Serve(int port) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address),
             sizeof address) != 0 ||
        listen(listener_, SOMAXCONN) != 0) {
      std::perror("ideal: cannot listen");
      return 1;
    }
    epoll_ = epoll_create1(0);
    Watch(listener_);
    std::array<epoll_event, 512> events;
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int socket = events[static_cast<size_t>(i)].data.fd;
        socket == listener_ ? Accept() : Read(socket);
      }
      RunReady();
    }
  }

 private:
  void Watch(int socket) const {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = socket;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  void Accept() {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (socket < 0) return;
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->socket = socket;
    connection->input.resize(size_t{64} << 10);
    connections_[socket] = std::move(connection);
    Watch(socket);
  }

  void Read(int socket) {
    Connection& connection = *connections_[socket];
    const ssize_t count =
        read(socket, connection.input.data() + connection.filled,
             connection.input.size() - connection.filled);
    if (count <= 0) {
      close(socket);
      connections_.erase(socket);
      return;
    }
    connection.filled += static_cast<size_t>(count);
    const std::string_view input(connection.input.data(), connection.filled);
    const size_t end = input.find("\r\n\r\n");
    if (end == input.npos) return;
    const std::string_view head = input.substr(0, end + 2);
    const size_t body = HeaderValue(head, "Content-Length");
    const size_t whole = end + 4 + body;
    if (whole > connection.input.size()) connection.input.resize(whole);
    if (connection.filled < whole) return;
    connection.filled = 0;
    if (body == 0) {
      connection.output = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      Write(&connection);
      return;
    }
    const size_t json = HeaderValue(head, "Inference-Header-Content-Length");
    connection.tensor = connection.input.data() + end + 4 + json;
    connection.rows = static_cast<int>((body - json) / model_.row_bytes());
    ready_.push_back(&connection);
  }

  void RunReady() {
    for (size_t from = 0; from < ready_.size();) {
      size_t to = from;
      int rows = 0;
      do {
        rows += ready_[to++]->rows;
      } while (to < ready_.size() && rows + ready_[to]->rows <= max_rows_);
      RunBatch(from, to, rows);
      from = to;
    }
    ready_.clear();
  }

  void RunBatch(size_t from, size_t to, int rows) {
    char* input = model_.Input(rows);
    for (size_t i = from; i < to; ++i) {
      const size_t bytes =
          model_.row_bytes() * static_cast<size_t>(ready_[i]->rows);
      std::memcpy(input, ready_[i]->tensor, bytes);
      input += bytes;
    }
    const bench::Model::Output output = model_.Run();
    const char* data = output.data;
    for (size_t i = from; i < to; ++i) {
      const size_t bytes =
          output.row_bytes * static_cast<size_t>(ready_[i]->rows);
      Answer(ready_[i], output.shape, {data, bytes});
      data += bytes;
    }
  }

  void Answer(Connection* connection, const std::vector<int>& shape,
              std::string_view data) const {
    std::string sizes = std::to_string(connection->rows);
    for (size_t i = 1; i < shape.size(); ++i) {
      sizes += "," + std::to_string(shape[i]);
    }
    const std::string json = R"({"model_name":")" + name_ +
                             R"(","model_version":"1","outputs":[{"name":")" +
                             model_.output_name() +
                             R"(","datatype":"FP32","shape":[)" + sizes +
                             R"(],"parameters":{"binary_data_size":)" +
                             std::to_string(data.size()) + "}}]}";
    connection->output =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        "Inference-Header-Content-Length: " +
        std::to_string(json.size()) +
        "\r\nContent-Length: " + std::to_string(json.size() + data.size()) +
        "\r\n\r\n" + json;
    connection->output.append(data);
    Write(connection);
  }

  // An answer is far smaller than a socket's buffer.
  static void Write(Connection* connection) {
    const std::string& output = connection->output;
    if (write(connection->socket, output.data(), output.size()) !=
        static_cast<ssize_t>(output.size())) {
      std::perror("ideal: an answer is lost");
    }
  }

  bench::Model model_;
  const std::string name_;
  const int max_rows_;
  int listener_ = -1;
  int epoll_ = -1;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> ready_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The upper bound of a server on one core.");
  std::string model;
  std::string name;
  int port = 0;
  int batch = 1;
  app.add_option("--model", model, "Folder of model.pdmodel and .pdiparams.")
      ->required();
  app.add_option("--name", name, "The model's name, for answers.")->required();
  app.add_option("--port", port, "Port on loopback.")->required();
  app.add_option("--batch", batch, "Rows of requests computed together.");
  CLI11_PARSE(app, argc, argv);
  return Ideal(model, name, batch).Serve(port);
}
