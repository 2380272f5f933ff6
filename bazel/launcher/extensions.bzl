"""Module extension that hands tests the Bazel which ./bazelw started."""

def _running_bazel_impl(rctx):
    # The launcher's own way of telling bazelisk; see main.py.
    program = rctx.os.environ.get("USE_BAZEL_VERSION", "")
    if not program.startswith("/"):
        fail("Tests of repository rules run the Bazel that ./bazelw brought up, and this Bazel was started in another way. Run `./bazelw test ...` without USE_BAZEL_VERSION.")
    rctx.symlink(program, "bazel")
    rctx.file("BUILD.bazel", "exports_files([\"bazel\"])\n")

_running_bazel = repository_rule(
    doc = "The file `bazel`: a program that starts the same Bazel.",
    implementation = _running_bazel_impl,
    local = True,
)

def _launcher_impl(_mctx):
    _running_bazel(name = "running_bazel")

launcher = module_extension(
    doc = "Repository `running_bazel`.",
    implementation = _launcher_impl,
)
