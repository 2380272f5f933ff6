"""Analysis tests of required.bzl: what stops a build with another compiler or interpreter, and what it says."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("@rules_python//python:defs.bzl", "PyRuntimeInfo")
load("//bazel/toolchains:required.bzl", "require_cc", "require_python")

_MEND = "Write `register_toolchains(\"@paddle_images//bazel/toolchains:all\")` into MODULE.bazel"

def _other_python_impl(ctx):
    """A program that another interpreter runs: the machine's, or that of another toolchain."""
    given = {"interpreter": ctx.file.interpreter, "files": depset([ctx.file.interpreter])}
    return [PyRuntimeInfo(
        python_version = "PY3",
        **(given if ctx.file.interpreter else {"interpreter_path": "/usr/bin/python3"})
    )]

other_python = rule(
    implementation = _other_python_impl,
    attrs = {"interpreter": attr.label(allow_single_file = True)},
)

def _needs_impl(ctx):
    if ctx.attr.compiler:
        require_cc(ctx, struct(toolchain_id = ctx.attr.compiler))
    else:
        require_python(ctx, ctx.attr.program)
    return []

needs = rule(
    implementation = _needs_impl,
    attrs = {
        "compiler": attr.string(),
        "program": attr.label(),
    },
)

def _fails_impl(ctx):
    env = analysistest.begin(ctx)
    asserts.expect_failure(env, ctx.attr.message)
    asserts.expect_failure(env, _MEND)
    return analysistest.end(env)

_fails_test = analysistest.make(
    _fails_impl,
    attrs = {"message": attr.string(mandatory = True)},
    expect_failure = True,
)

def _passes_impl(ctx):
    return analysistest.end(analysistest.begin(ctx))

_passes_test = analysistest.make(_passes_impl)

def required_tests(name, right_compiler, right_program):
    """Tests of what is refused, and of what is not.

    Args:
      name: of the suite.
      right_compiler: identifier of the lock's gcc.
      right_program: a py_binary.
    """
    other_python(name = name + "_of_the_machine", tags = ["manual"])
    other_python(name = name + "_of_a_toolchain", interpreter = "BUILD.bazel", tags = ["manual"])
    wrong = {
        "compiler": ({"compiler": "local"}, "the C++ compiler is not that of paddle_images' lock, but local."),
        "machine": ({"program": name + "_of_the_machine"}, "Python is not that of paddle_images' lock, but the machine's."),
        "toolchain": (
            {"program": name + "_of_a_toolchain"},
            "//bazel/toolchains/tests:BUILD.bazel.",
        ),
    }
    for what, (attributes, message) in wrong.items():
        needs(name = "%s_%s" % (name, what), testonly = True, tags = ["manual"], **attributes)
        _fails_test(
            name = "%s_%s_test" % (name, what),
            message = message,
            target_under_test = "%s_%s" % (name, what),
        )
    right = {"right_compiler": {"compiler": right_compiler}, "right_python": {"program": right_program}}
    for what, attributes in right.items():
        needs(name = "%s_%s" % (name, what), testonly = True, tags = ["manual"], **attributes)
        _passes_test(
            name = "%s_%s_test" % (name, what),
            target_under_test = "%s_%s" % (name, what),
        )
