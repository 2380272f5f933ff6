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

A program is linked with the engine of the first line of Paddle and runs with that
of any line, and with that for GPUs: what lies beside it decides. Libraries depend
on the header alone, `@paddle//:headers`.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("@rules_python//python:defs.bzl", "py_test")
load("//bazel/platforms:paddle.bzl", "ENGINE_LIBRARIES", "PADDLE_LINES", "line_target", "sdk_of")
load("//bazel/platforms:table.bzl", "MACHINES")

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

_ENGINE = Label("@paddle//:paddle_inference")
_PLUGIN = Label("@paddle//:paddle_inference_plugin")
_HEADERS = Label("@paddle//:headers")
_RUNTIMES = {line: Label("@paddle%s//:runtime" % it.suffix) for line, it in PADDLE_LINES.items()}

def _rpath(name, line):
    """Flags by which a program finds the engine of a line, for the machine that is built for."""
    return select({
        Label("@platforms//cpu:" + MACHINES[machine]["cpu"]): _rpath_to(name, Label("@%s//:runtime" % sdk_of(line, machine)).repo_name)
        for machine in PADDLE_LINES[line].runtime
    })

def _rpath_to(name, sdk):
    up = "/".join([".."] * (1 + len((native.package_name() + "/" + name).strip("/").split("/")[:-1])))
    roots = [
        # In an image: bin/PROGRAM, paddle/base, paddle/libs, lib.
        "$$ORIGIN/..",
        # In runfiles: its own, and those of a program or test that starts it.
        "$$ORIGIN/%s.runfiles/%s" % (name.rpartition("/")[2], sdk),
        "$$ORIGIN/%s/%s" % (up, sdk),
    ]
    return ["-Wl,-rpath," + ":".join([root + d for root in roots for d in ["/paddle/base", "/lib"]])]

def _objects(name, srcs, deps, **kwargs):
    """Compiles the sources of a program once, to be linked for several lines."""
    cc_library(
        name = name + "_objects",
        srcs = srcs,
        deps = deps + [_HEADERS],
        alwayslink = True,
        visibility = ["//visibility:private"],
        **kwargs
    )
    return [":%s_objects" % name]

def paddle_cc_binary(name, srcs, deps = [], linkopts = [], additional_linker_inputs = [], exports = _HIDE_ALL, data = [], paddle = ["2"], testonly = False, **kwargs):
    """A `cc_binary` that finds the engine, in runfiles and in an image.

    In an image it lies at `DIR/bin/NAME` and the files of `@paddle//:runtime`, or
    those of another line or for GPUs, at their own paths below `DIR`.

    Args:
      name: name of the program with the first line; with line 3 it is `NAME_paddle3`.
      srcs: its sources. They are compiled once.
      deps: libraries; the engine is added.
      linkopts: further flags of the linker.
      additional_linker_inputs: files that the flags name.
      exports: a version script of the linker, where others look symbols up: a plugin, `linkshared`.
      data: files that it needs at run time; those of the engine are added.
      paddle: lines of Paddle whose engine one finds in runfiles, keys of `PADDLE_LINES`.
      testonly: whether only tests use it.
      **kwargs: what else `cc_binary` takes.
    """
    if len(paddle) > 1:
        deps = _objects(name, srcs, deps, testonly = testonly)
        srcs = []
    for line in paddle:
        program = line_target(name, line)
        cc_binary(
            name = program,
            srcs = srcs,
            additional_linker_inputs = additional_linker_inputs + [exports],
            data = data + [_RUNTIMES[line]],
            linkopts = linkopts + _hide(exports) + _rpath(program, line),
            testonly = testonly,
            deps = deps + [_PLUGIN if kwargs.get("linkshared") else _ENGINE],
            **kwargs
        )

def paddle_cc_test(name, srcs, deps = [], linkopts = [], data = [], paddle = PADDLE_LINES.keys(), **kwargs):
    """A `cc_test` for each line of Paddle: it finds the engine, and is linked as programs are.

    Args:
      name: name of the test with the first line; with line 3 it is `NAME_paddle3`.
      srcs: its sources. They are compiled once.
      deps: libraries; the engine is added.
      linkopts: further flags of the linker.
      data: files that it needs at run time; those of the engine are added.
      paddle: lines of Paddle, keys of `PADDLE_LINES`.
      **kwargs: what else `cc_test` takes.
    """
    objects = _objects(name, srcs, deps, testonly = True)
    for line in paddle:
        test = line_target(name, line)
        cc_test(
            name = test,
            additional_linker_inputs = [_HIDE_ALL],
            data = data + [_RUNTIMES[line]],
            linkopts = linkopts + _hide(_HIDE_ALL) + _rpath(test, line),
            # Bazel would make a shared library of every dependency, which exports.
            linkstatic = True,
            deps = objects + [_ENGINE],
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
        env = {"ENGINE_LIBRARIES": " ".join(ENGINE_LIBRARIES)},
        main = main,
        **kwargs
    )
