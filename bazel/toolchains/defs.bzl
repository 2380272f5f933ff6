"""Rules over the toolchains of the lock.

```starlark
load("//bazel/toolchains:defs.bzl", "cc_proto")

cc_proto(
    name = "point_cc_proto",
    src = "point.proto",
)
```
"""

load("@rules_cc//cc:defs.bzl", "cc_library")

def cc_proto(name, src, **kwargs):
    """A C++ library of one .proto file, made by the locked protoc.

    Its header is included by the path from the workspace's root, as in
    `#include "bazel/toolchains/testdata/point.pb.h"`.

    Args:
      name: name of the cc_library.
      src: the .proto file; its imports are those that protobuf itself ships.
      **kwargs: what else `cc_library` takes.
    """
    protoc, root = Label("@debian_cxx//:bin/protoc"), Label("@debian_cxx//:root")
    stem = src.removesuffix(".proto")
    outs = [stem + ".pb.cc", stem + ".pb.h"]
    native.genrule(
        name = name + "_protoc",
        srcs = [src],
        outs = outs,
        cmd = "$(execpath %s) --proto_path=. --proto_path=$(execpath %s)/usr/include --cpp_out=$(BINDIR) $<" % (protoc, root),
        tools = [protoc, root],
    )
    cc_library(
        name = name,
        srcs = [outs[0]],
        hdrs = [outs[1]],
        deps = [Label("@debian_cxx//:protobuf")],
        **kwargs
    )
