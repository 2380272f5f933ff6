// A server of a few lines, to test how images run: it answers every request
// with what it is allowed to do.
//
//   server serve       until SIGTERM; then it ends with 0
//   server drain       the same, but it takes half a second to end
//   server stubborn    the same, but at SIGTERM it only says that it stays
//   server exit N      ends with N
//   server exec P ...  starts a program in its place
//   server fork        forks beside a thread; the fork starts one, and all ends
//   with 5

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace {

constexpr int kPort = 8080;

void Drain(int) {
  constexpr char kText[] = "drained\n";
  usleep(500000);
  _exit(write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0 ? 1 : 0);
}

void Stop(int) {
  constexpr char kText[] = "stopping\n";
  _exit(write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0 ? 1 : 0);
}

void Stay(int) {
  constexpr char kText[] = "staying\n";
  if (write(STDOUT_FILENO, kText, sizeof(kText) - 1) < 0) _exit(1);
}

std::string Writable(const std::string& folder) {
  const std::string path = folder + "/written";
  const bool written = static_cast<bool>(std::ofstream(path) << "x");
  return folder + (written ? " writable\n" : " read-only\n");
}

std::string Describe() {
  std::string text = "uid " + std::to_string(getuid()) + " gid " +
                     std::to_string(getgid()) + " pid " +
                     std::to_string(getpid()) + "\n";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Cap", 0) == 0 || line.rfind("NoNewPrivs", 0) == 0) {
      text += line + "\n";
    }
  }
  for (const char* folder : {"", "/app", "/tmp", "/logs", "/models"}) {
    text += Writable(folder);
  }
  std::set<std::string> names;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) == 0) {
    for (ifaddrs* i = interfaces; i; i = i->ifa_next) names.insert(i->ifa_name);
    freeifaddrs(interfaces);
  }
  text += "interfaces";
  for (const std::string& name : names) text += " " + name;
  const char* given = std::getenv("GIVEN");
  return text + "\nenv GIVEN " + (given ? given : "unset") + "\n";
}

int Serve() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ||
      listen(listener, 16)) {
    std::perror("server");
    return 1;
  }
  std::puts("serving");
  std::fflush(stdout);
  for (;;) {
    const int connection = accept(listener, nullptr, nullptr);
    char request[4096];
    if (read(connection, request, sizeof(request)) > 0) {
      const std::string body = Describe();
      const std::string answer =
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body;
      if (write(connection, answer.data(), answer.size()) < 0) return 1;
    }
    close(connection);
  }
}

// A fork of a program with two threads has one, and starts another.
int Fork() {
  std::thread sleeper([] { pause(); });
  sleeper.detach();
  const pid_t child = fork();
  if (child == 0) {
    int told = 0;
    std::thread([&told] { told = 5; }).join();
    _exit(told);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "exit") return argc > 2 ? std::atoi(argv[2]) : 0;
  if (command == "exec" && argc > 2) {
    execv(argv[2], argv + 2);
    std::perror("server");
    return 126;
  }
  if (command == "fork") return Fork();
  if (command == "serve") std::signal(SIGTERM, Stop);
  if (command == "drain") std::signal(SIGTERM, Drain);
  if (command == "stubborn") std::signal(SIGTERM, Stay);
  if (command == "serve" || command == "drain" || command == "stubborn") {
    return Serve();
  }
  std::fputs("usage: server serve|drain|stubborn|exit|exec|fork\n", stderr);
  return 2;
}
