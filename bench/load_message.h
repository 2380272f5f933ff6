// Answers of the Open Inference Protocol over gRPC, compared as the wire has
// them.
#ifndef BENCH_LOAD_MESSAGE_H_
#define BENCH_LOAD_MESSAGE_H_

#include <string>

// How far two numbers may be apart, beside 1 or beside themselves.
bool IsNear(double a, double b, double tolerance);

// Whether two bodies, messages with their prefixes of five bytes, say the same,
// whichever version of a model said it. `streamed`: the messages are
// ModelStreamInferResponse, else ModelInferResponse. FP32 may be off by the
// tolerance, where all outputs are.
bool IsNearBody(const std::string& wanted, const std::string& got,
                bool streamed, double tolerance);

// Whether a message of a streamed body is an error.
bool HasErrorMessage(const std::string& body);

#endif  // BENCH_LOAD_MESSAGE_H_
