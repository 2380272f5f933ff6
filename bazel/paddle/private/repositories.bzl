"""Repository rule of the engine SDK: links into an unpacked wheel, laid out as images are."""

def _sdk_impl(rctx):
    wheel = rctx.path(rctx.attr.wheel).dirname.get_child("site-packages")
    info = "%s-%s.dist-info" % (rctx.attr.distribution, rctx.attr.version)
    if not wheel.get_child(info).exists:
        fail("The unpacked wheel has no %s, but wheels_lock.json says %s %s. Run `./bazelw run //:lock`." %
             (info, rctx.attr.distribution, rctx.attr.version))

    # OpenVINO looks for its plugins and settings beside its library, wherever links to that lead.
    copied = [path for path in rctx.attr.runtime + rctx.attr.openvino if rctx.attr.openvino and "/libopenvino" in path]

    # By this file scanners know what the libraries are.
    rctx.symlink(wheel.get_child(info).get_child("METADATA"), info + "/METADATA")
    for path in rctx.attr.runtime + rctx.attr.openvino + rctx.attr.training:
        library = wheel.get_child("paddle").get_child(path.split("/")[0]).get_child(path.split("/")[1])
        if not library.exists:
            fail("%s %s has no paddle/%s. Adapt //bazel/platforms:paddle.bzl to this version; docs/engine.md says what each library is for." %
                 (rctx.attr.distribution, rctx.attr.version, path))
        changed = path in rctx.attr.stripped + rctx.attr.gpu_code + rctx.attr.protected.keys() + copied
        rctx.symlink(library, ("wheel/" if changed else "paddle/") + path)
    rctx.file("libraries.bzl", "\n".join([
        "\"\"\"The libraries of the engine, by their paths in paddle/, and how they are changed.\"\"\"",
        "",
        "RUNTIME = %r" % rctx.attr.runtime,
        "OPENVINO = %r" % rctx.attr.openvino,
        "TRAINING = %r" % rctx.attr.training,
        "STRIPPED = %r" % rctx.attr.stripped,
        "COPIED = %r" % copied,
        "GPU_CODE = %r" % rctx.attr.gpu_code,
        "PROTECTED = %r" % rctx.attr.protected,
        "",
        "# Key of `select` -> the repository that has the same of the wheel for another machine.",
        "OTHERS = %r" % rctx.attr.others,
        "",
    ]))
    rctx.file("version.bzl", "\"\"\"Versions of the engine and of what it was built with, from the lock.\"\"\"\n\n" +
                             "".join(["%s_VERSION = %r\n" % pair for pair in rctx.attr.versions.items()]))
    rctx.file("defs.bzl", rctx.read(rctx.attr._defs))
    rctx.file("BUILD.bazel", rctx.read(rctx.attr._build))

sdk_repository = repository_rule(
    doc = "The engine SDK: libraries of the wheel, the stub of libpython, the C++ library.",
    implementation = _sdk_impl,
    attrs = {
        "distribution": attr.string(mandatory = True, doc = "The wheel's name, as its files have it."),
        "gpu_code": attr.string_list(doc = "Libraries whose code for GPUs a build action packs."),
        "openvino": attr.string_list(doc = "Libraries that OpenVINO computes with, by their paths in paddle/."),
        "others": attr.string_dict(doc = "Constraint -> SDK of the wheel for the machines that have it."),
        "protected": attr.string_dict(doc = "Library -> what is in the names of functions that a build action makes it find in itself."),
        "runtime": attr.string_list(mandatory = True, doc = "Libraries that a predictor needs, by their paths in paddle/."),
        "stripped": attr.string_list(doc = "Libraries that a build action strips."),
        "training": attr.string_list(doc = "Libraries that training needs besides and a build action changes."),
        "version": attr.string(mandatory = True, doc = "Its version in the lock."),
        "versions": attr.string_dict(mandatory = True, doc = "What -> version, for `version.bzl`."),
        "wheel": attr.label(mandatory = True, doc = "A file beside the unpacked wheel."),
        "_build": attr.label(default = "//bazel/paddle/private:sdk.BUILD", doc = "BUILD file of the repository."),
        "_defs": attr.label(default = "//bazel/paddle/private:sdk_defs.bzl", doc = "Its `defs.bzl`."),
    },
)

def _versions_impl(rctx):
    rctx.file("BUILD.bazel", "")
    rctx.file("versions.bzl", "\"\"\"Paddle's versions in the locks.\"\"\"\n\n# Line -> version.\nPADDLE_VERSIONS = %r\n" % rctx.attr.versions)

versions_repository = repository_rule(
    doc = "`versions.bzl`: for BUILD files that name a version of a line whose wheel they may not need.",
    implementation = _versions_impl,
    attrs = {"versions": attr.string_dict(mandatory = True, doc = "Line -> version.")},
)
