"""Rules for programs that use the engine."""

load("@paddle_images//bazel/paddle:defs.bzl", _paddle_cc_binary = "paddle_cc_binary", _paddle_cc_test = "paddle_cc_test", _paddle_isolation_test = "paddle_isolation_test")

paddle_cc_binary = _paddle_cc_binary
paddle_cc_test = _paddle_cc_test
paddle_isolation_test = _paddle_isolation_test
