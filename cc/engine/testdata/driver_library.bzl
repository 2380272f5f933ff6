"""driver_library: a library that plays one of NVIDIA's driver."""

load("@rules_cc//cc:defs.bzl", "cc_binary")

def driver_library(name, src):
    """A shared library as the driver would bring it, for tests that open it.

    Args:
      name: its file name, like `libcuda.so.1`.
      src: the C file that says what it plays.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [src],
        # NVIDIA's has no sanitizer either, and a program takes no second run time of one.
        features = [
            "-asan",
            "-tsan",
            "-ubsan",
        ],
        linkshared = True,
        visibility = ["//cc:__subpackages__"],
    )
