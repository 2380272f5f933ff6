"""Rules for C++ programs that use the engine; load them from `@paddle//:defs.bzl`.

```starlark
load("@paddle//:defs.bzl", "paddle_cc_binary", "paddle_isolation_test")

paddle_cc_binary(
    name = "server",
    srcs = ["main.cc"],
    deps = ["//cc/engine"],
)

paddle_isolation_test(
    name = "isolation_test",
    program = ":server",
    args = ["predict", ...],  # a run that loads and uses a model
)
```
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")
load("@rules_python//python:defs.bzl", "py_test")

# libpaddle.so exports private copies of protobuf, OpenSSL, zlib, gflags, glog and
# more, without versions: the first definition that the loader meets wins, so any
# name that a program exports would be taken by libpaddle.so. Nothing is exported,
# neither of static libraries nor of the program.
_HIDE_ALL = Label("//bazel/paddle:hide_all.lds")

def _hide(exports):
    return [
        "-Wl,--exclude-libs,ALL",
        "-Wl,--version-script=$(execpath %s)" % exports,
        "-Wl,--gc-sections",
    ]

def _rpath(name):
    sdk = Label("@paddle//:defs.bzl").repo_name
    up = "/".join([".."] * (1 + len((native.package_name() + "/" + name).strip("/").split("/")[:-1])))
    roots = [
        # In an image: bin/PROGRAM, paddle/base, paddle/libs, lib.
        "$$ORIGIN/..",
        # In runfiles: its own, and those of a program or test that starts it.
        "$$ORIGIN/%s.runfiles/%s" % (name.rpartition("/")[2], sdk),
        "$$ORIGIN/%s/%s" % (up, sdk),
    ]
    return ["-Wl,-rpath," + ":".join([root + d for root in roots for d in ["/paddle/base", "/lib"]])]

def paddle_cc_binary(name, linkopts = [], additional_linker_inputs = [], exports = _HIDE_ALL, **kwargs):
    """A `cc_binary` that finds the engine, in runfiles and in an image.

    In an image it lies at `DIR/bin/NAME` and the files of `@paddle//:runtime` at
    their own paths below `DIR`.

    Args:
      name: name of the program.
      linkopts: further flags of the linker.
      additional_linker_inputs: files that the flags name.
      exports: a version script of the linker, where others look symbols up: a plugin, `linkshared`.
      **kwargs: what else `cc_binary` takes.
    """
    cc_binary(
        name = name,
        additional_linker_inputs = additional_linker_inputs + [exports],
        linkopts = linkopts + _hide(exports) + _rpath(name),
        **kwargs
    )

def paddle_cc_test(name, linkopts = [], additional_linker_inputs = [], **kwargs):
    """A `cc_test` that finds the engine, linked as programs are.

    Args:
      name: name of the test.
      linkopts: further flags of the linker.
      additional_linker_inputs: files that the flags name.
      **kwargs: what else `cc_test` takes.
    """
    cc_test(
        name = name,
        additional_linker_inputs = additional_linker_inputs + [_HIDE_ALL],
        linkopts = linkopts + _hide(_HIDE_ALL) + _rpath(name),
        # Bazel would make a shared library of every dependency, which exports.
        linkstatic = True,
        **kwargs
    )

def paddle_isolation_test(name, program, args = [], data = [], **kwargs):
    """Runs a program and fails if a symbol crosses between it and the engine.

    Args:
      name: name of the test.
      program: a `paddle_cc_binary`.
      args: its arguments, for a run that loads and uses a model and ends with 0.
      data: files that the run needs.
      **kwargs: what else `py_test` takes.
    """
    main = Label("//bazel/paddle/private:isolation.py")
    run = Label("//bazel/toolchains:run")
    py_test(
        name = name,
        srcs = [main],
        args = ["$(rootpath %s)" % run, "$(rootpath %s)" % program] + args,
        data = data + [run, program],
        main = main,
        **kwargs
    )
