"""Repository rule of the engine SDK: links into the unpacked wheel, laid out as images are."""

# What a predictor needs of the wheel on a CPU; every other library of paddle/libs
# is for training or for other devices. libmklml_intel is dlopened, so no linker
# would miss it.
_LIBRARIES = {
    "base/libpaddle.so": "paddle/base/libpaddle.so",
    "libs/libcommon.so": "paddle/libs/libcommon.so",
    "libs/libiomp5.so": "paddle/libs/libiomp5.so",
    "libs/libmklml_intel.so": "paddle/libs/libmklml_intel.so",
    # The BUILD file makes paddle/libs/libdnnl.so.3 of it, without its symbol
    # table: 9 MB less.
    "libs/libdnnl.so.3": "wheel/libdnnl.so.3",
}

def _sdk_impl(rctx):
    wheel = rctx.path(rctx.attr._wheel).dirname.get_child("site-packages")
    info = "paddlepaddle-%s.dist-info" % rctx.attr.version
    if not wheel.get_child(info).exists:
        fail("The unpacked wheel has no %s, but wheels_lock.json says paddlepaddle %s. Run `./bazelw run //:lock`." %
             (info, rctx.attr.version))

    # By this file scanners know what the libraries are.
    rctx.symlink(wheel.get_child(info).get_child("METADATA"), info + "/METADATA")
    for path, link in _LIBRARIES.items():
        library = wheel.get_child("paddle").get_child(path.split("/")[0]).get_child(path.split("/")[1])
        if not library.exists:
            fail("paddlepaddle %s has no paddle/%s. Adapt //bazel/paddle/private:repositories.bzl to this version; docs/engine.md says what each library is for." %
                 (rctx.attr.version, path))
        rctx.symlink(library, link)
    rctx.file("version.bzl", "\"\"\"Version of the engine, from the lock.\"\"\"\n\nPADDLE_VERSION = %r\n" % rctx.attr.version)
    rctx.file("defs.bzl", rctx.read(rctx.attr._defs))
    rctx.file("BUILD.bazel", rctx.read(rctx.attr._build))

sdk_repository = repository_rule(
    doc = "The engine SDK: libraries of the wheel, the stub of libpython, the C++ library.",
    implementation = _sdk_impl,
    attrs = {
        "version": attr.string(mandatory = True, doc = "Version of paddlepaddle in the lock."),
        "_build": attr.label(default = "//bazel/paddle/private:sdk.BUILD", doc = "BUILD file of the repository."),
        "_defs": attr.label(default = "//bazel/paddle/private:sdk_defs.bzl", doc = "Its `defs.bzl`."),
        "_wheel": attr.label(default = "@pypi_paddlepaddle//:BUILD.bazel", doc = "A file beside the unpacked wheel."),
    },
)
