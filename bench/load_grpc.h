// gRPC over HTTP/2: several calls at a time on each connection.
//
// A connection that the server is to end (GOAWAY) finishes the calls that have
// begun, and another one takes the next. A call that no server has looked at
// (REFUSED_STREAM, or above the GOAWAY's last stream) is sent again, as every
// client of gRPC does,
// https://github.com/grpc/proposal/blob/master/A6-client-retries.md,
// "Transparent Retries".
#ifndef BENCH_LOAD_GRPC_H_
#define BENCH_LOAD_GRPC_H_

#include <memory>

#include "bench/load_client.h"

// All that is given lives longer.
std::unique_ptr<Client> GrpcClient(Poller* poller, Ports* ports,
                                   Results* results, int connections,
                                   int streams);

#endif  // BENCH_LOAD_GRPC_H_
