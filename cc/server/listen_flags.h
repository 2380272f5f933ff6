// Where `serve` listens, which `healthcheck` has to know too.
#ifndef CC_SERVER_LISTEN_FLAGS_H_
#define CC_SERVER_LISTEN_FLAGS_H_

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"

namespace server {

struct ListenFlags {
  std::string host = "127.0.0.1";
  int64_t port = 8080;

  void Register(CLI::App* app) {
    app->add_option("--host", host,
                    "Address to listen on; 0.0.0.0 is every IPv4 address, :: "
                    "every address.");
    app->add_option("--port", port,
                    "Port to listen on; 0 takes a free one, which the log line "
                    "\"listening\" names.")
        ->check(CLI::Range(0, 65535));
  }
};

}  // namespace server

#endif  // CC_SERVER_LISTEN_FLAGS_H_
