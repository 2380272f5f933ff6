"""Module extension that hands tests the Bazel which ./bazelw started."""

def _running_bazel_impl(rctx):
    # The launcher's own way of telling bazelisk; see main.py.
    program = rctx.os.environ.get("USE_BAZEL_VERSION", "")
    if program.startswith("/") and program.split("/")[-2].startswith("site-"):
        rctx.symlink(program, "bazel")
    else:
        # Another Bazel gets its modules from a registry that no test can reach.
        rctx.file("bazel", "", executable = False)
    rctx.file("BUILD.bazel", "exports_files([\"bazel\"])\n")

_running_bazel = repository_rule(
    doc = "The file `bazel`: a program that starts the same Bazel; an empty file, unless ./bazelw brought it up.",
    implementation = _running_bazel_impl,
    local = True,
)

def _launcher_impl(_mctx):
    _running_bazel(name = "running_bazel")

launcher = module_extension(
    doc = "Repository `running_bazel`.",
    implementation = _launcher_impl,
)
