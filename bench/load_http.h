// HTTP/1.1: one request at a time on each connection.
#ifndef BENCH_LOAD_HTTP_H_
#define BENCH_LOAD_HTTP_H_

#include <memory>

#include "bench/load_client.h"

// All that is given lives longer.
std::unique_ptr<Client> HttpClient(Poller* poller, Ports* ports,
                                   Results* results, int connections);

#endif  // BENCH_LOAD_HTTP_H_
