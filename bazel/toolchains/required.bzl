"""Stops a build that would take another compiler or interpreter than the lock's."""

load("@rules_python//python:defs.bzl", "PyRuntimeInfo")
load("//bazel/platforms:table.bzl", "DEBIAN", "GCC_VERSION")

_PYTHON = Label("@debian_python//:root/usr/bin/python3")

# The identifier of the lock's gcc.
CC_TOOLCHAIN = "debian%s-gcc%s" % (DEBIAN["release"], GCC_VERSION)

_MEND = "What is made of it would not have the same bits everywhere. Write `register_toolchains(\"@paddle_images//bazel/toolchains:all\")` into MODULE.bazel, before other toolchains for the same platform; docs/api.md says more."

def require_python(ctx, program):
    """Fails if a program does not run on the lock's CPython.

    Args:
      ctx: the rule's context.
      program: a py_binary that the rule runs.
    """
    interpreter = program[PyRuntimeInfo].interpreter
    if not interpreter or interpreter.owner != _PYTHON:
        fail("%s: Python is not that of paddle_images' lock, but %s. %s" %
             (ctx.label, interpreter.owner if interpreter else "the machine's", _MEND))

def require_cc(ctx, toolchain):
    """Fails if a C++ toolchain is not the lock's gcc.

    Args:
      ctx: the rule's context.
      toolchain: its CcToolchainInfo.
    """
    if toolchain.toolchain_id != CC_TOOLCHAIN:
        fail("%s: the C++ compiler is not that of paddle_images' lock, but %s. %s" %
             (ctx.label, toolchain.toolchain_id, _MEND))
