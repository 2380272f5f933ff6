// server: serves Paddle models over HTTP, or runs one once.

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cc/server/commands.h"
#include "cc/server/paddle_backend.h"
#include "cc/server/rest.h"

namespace server {
namespace {

constexpr char kUsage[] =
    "Serves Paddle models over HTTP (Open Inference Protocol v2), or runs one "
    "once.\n"
    "\n"
    "  server serve        serve a repository of models\n"
    "  server predict      run a model once, from file to file\n"
    "  server healthcheck  exit code 0 if a server on this machine is ready\n"
    "  server --version    versions of the server and of Paddle\n"
    "\n"
    "`server COMMAND --help` lists the flags of a command.\n";

int Main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const std::vector<std::string> rest(argv + (argc > 1 ? 2 : 1), argv + argc);
  if (command == "serve") return Serve(rest);
  if (command == "predict") return Predict(rest);
  if (command == "healthcheck") return HealthCheck(rest);
  if (command == "--version") {
    std::printf("%s %s (Paddle %s)\n", std::string(kServerName).c_str(),
                std::string(kServerVersion).c_str(), PaddleVersion().c_str());
    return 0;
  }
  if (command == "--help" || command == "-h" || command == "help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  std::fprintf(stderr, "server: %s\n\n%s",
               command.empty()
                   ? "a command is missing"
                   : absl::StrCat("unknown command ", command).c_str(),
               kUsage);
  return 2;
}

}  // namespace

int ParseFlags(const std::vector<std::string>& arguments, Flags* flags) {
  if (absl::Status status = flags->Parse(arguments); !status.ok()) {
    std::fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
    return 2;
  }
  if (!flags->help()) return -1;
  std::fputs(flags->HelpText().c_str(), stdout);
  return 0;
}

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "server: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace server

int main(int argc, char** argv) { return server::Main(argc, argv); }
