"""Rules for programs that use the engine, and where its files go in an image."""

load("@@//bazel/paddle:defs.bzl", _paddle_cc_binary = "paddle_cc_binary", _paddle_cc_test = "paddle_cc_test", _paddle_isolation_test = "paddle_isolation_test")

paddle_cc_binary = _paddle_cc_binary
paddle_cc_test = _paddle_cc_test
paddle_isolation_test = _paddle_isolation_test

# Label -> path below the directory whose bin/ holds the program. The paths are
# those of the labels: a rule may as well place the files of //:runtime by theirs.
RUNTIME_FILES = {
    "@paddle//:" + path: path
    for path in [
        "lib/libpaddle_pystub.so",
        "paddle/base/libpaddle.so",
        "paddle/libs/libcommon.so",
        "paddle/libs/libdnnl.so.3",
        "paddle/libs/libiomp5.so",
        "paddle/libs/libmklml_intel.so",
    ]
}
