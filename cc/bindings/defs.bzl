"""Extension modules of CPython."""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//bazel/platforms:table.bzl", "MACHINES", "PYTHON_VERSION")

_DIGITS = PYTHON_VERSION.replace(".", "")

# As names of wheels have it.
PYTHON_TAG = "cp" + _DIGITS

def module_file(name, machine):
    """The path of a module's file beside this package.

    Args:
      name: of the module, `PACKAGE/NAME`.
      machine: that it is for.

    Returns:
      The path, with what CPython and the machine have in names of extension modules.
    """
    return "%s.cpython-%s-%s.so" % (name, _DIGITS, MACHINES[machine]["triple"])

def extension_module(name, machine, libraries, last = [], linkopts = [], **kwargs):
    """An extension module, which exports its `PyInit_NAME` alone.

    Args:
      name: of the module, `PACKAGE/NAME`.
      machine: that it is for.
      libraries: shared libraries, which lie in `PACKAGE/lib`.
      last: shared libraries that symbols are looked up in after those and libstdc++.
      linkopts: further options of the linker.
      **kwargs: of `cc_binary`.
    """
    cc_binary(
        name = module_file(name, machine),
        additional_linker_inputs = libraries + last + ["module.lds"],
        copts = ["-fvisibility=hidden"],
        linkopts = [
            # As in paddle_cc_binary: what is not exported cannot cross.
            "-Wl,--exclude-libs,ALL",
            "-Wl,--version-script=$(execpath module.lds)",
            "-Wl,--push-state,--no-as-needed",
            "-Wl,-lstdc++,-lm,-lc",
        ] + ["$(execpath %s)" % library for library in libraries + last] + [
            "-Wl,--pop-state",
            "-Wl,-rpath,$$ORIGIN/lib",
            "-Wl,--strip-all",
        ] + linkopts,
        linkshared = True,
        target_compatible_with = ["@platforms//cpu:" + MACHINES[machine]["cpu"]],
        **kwargs
    )
