"""What is told of an image beside it: its bills of materials and its provenance."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//bazel/image/base:locks.bzl", "LOCKS", "lock_words")
load("//bazel/image/base:worker.bzl", "run_worker")
load("//bazel/image/layer:layer.bzl", "LayerInfo")
load("//bazel/platforms:table.bzl", "BASE", "MACHINES")
load("//bazel/pypi:defs.bzl", "pytest_test")

def _image_sbom_impl(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    contents = [layer[LayerInfo].contents for layer in ctx.attr.layers]
    arguments = ctx.actions.args()
    arguments.add_all("--layout", [ctx.file.image], expand_directories = False)
    arguments.add_all(contents, before_each = "--layer")
    arguments.add("--name", ctx.attr.repository)
    arguments.add_all(ctx.files._debian_locks, before_each = "--debian-lock")
    arguments.add_all(ctx.files._wheels_locks, before_each = "--wheels-lock")
    arguments.add_all("--vex", ctx.files.vex)
    arguments.add_all("--out", [out], expand_directories = False)
    run_worker(
        ctx,
        arguments,
        inputs = [ctx.file.image] + ctx.files._wheels_locks + ctx.files._debian_locks + contents + ctx.files.vex,
        outputs = [out],
        mnemonic = "ImageSbom",
        progress_message = "Writing bills of materials %{label}",
    )
    return [
        DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out])),
        OutputGroupInfo(contents = depset(contents)),
    ]

image_sbom = rule(
    implementation = _image_sbom_impl,
    doc = "A directory with `spdx.json` (2.3), `cyclonedx.json` (1.5) and `contents.json` of an image; `openvex.json` (0.2.0) where `vex` is given.",
    attrs = {
        "image": attr.label(mandatory = True, allow_single_file = True, doc = "The image, an OCI layout."),
        "layers": attr.label_list(
            mandatory = True,
            providers = [LayerInfo],
            doc = "Its layers, the lowest first: they tell what is in them, so that the image need not be read.",
        ),
        "repository": attr.string(mandatory = True, doc = "Name of the image, as it is pushed."),
        "vex": attr.label(allow_single_file = True, doc = "What is known of vulnerabilities inside it, YAML; see vex.py."),
        "_debian_locks": attr.label(default = "//bazel/debian:locks"),
        "_tool": attr.label(
            default = "//bazel/image/attest:sbom",
            doc = "Reads the image and writes.",
            cfg = "exec",
            executable = True,
        ),
        "_wheels_locks": attr.label(default = "//bazel/pypi:locks"),
    },
)

def _flags(ctx):
    """What a user may have set, in a file that no commit names, and what it changes in an image."""
    cpp = ctx.fragments.cpp
    flags = {
        "compilation_mode": ctx.var["COMPILATION_MODE"],
        "compression": ctx.attr._compression[BuildSettingInfo].value,
    }
    given = {"copt": cpp.copts, "cxxopt": cpp.cxxopts, "conlyopt": cpp.conlyopts, "linkopt": cpp.linkopts}
    return flags | {name: values for name, values in given.items() if values}

def _label(ctx):
    """The image's label; for another machine that of paddle_image's target for it."""
    label = str(ctx.attr.image.label).lstrip("@")
    for constraint, machine in ctx.attr._machines.items():
        if ctx.target_platform_has_constraint(constraint[platform_common.ConstraintValueInfo]):
            return "%s_%s" % (label, machine)
    return label

def _image_referrers_impl(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add_all("--layout", [ctx.file.image], expand_directories = False)
    arguments.add_all("--sbom", [ctx.file.sbom], expand_directories = False)
    arguments.add("--name", ctx.attr.repository)
    arguments.add("--label", _label(ctx))
    arguments.add("--flags", json.encode(_flags(ctx)))
    arguments.add_all(
        ["%s=%s" % (name, lock.path) for name, lock in lock_words(ctx.files._locks)],
        before_each = "--lock",
    )
    arguments.add_all("--out", [out], expand_directories = False)
    run_worker(
        ctx,
        arguments,
        inputs = [ctx.file.image, ctx.file.sbom] + ctx.files._locks,
        outputs = [out],
        mnemonic = "ImageReferrers",
        progress_message = "Writing referrers %{label}",
    )
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

image_referrers = rule(
    implementation = _image_referrers_impl,
    doc = "An OCI layout: an index of artifacts whose subject is the image.",
    fragments = ["cpp"],
    attrs = {
        "image": attr.label(mandatory = True, allow_single_file = True, doc = "The image, an OCI layout."),
        "repository": attr.string(mandatory = True, doc = "Name of the image, as it is pushed."),
        "sbom": attr.label(mandatory = True, allow_single_file = True, doc = "Its image_sbom."),
        "_compression": attr.label(default = "//bazel/image/settings:compression"),
        "_locks": attr.label_list(default = LOCKS, allow_files = True),
        "_machines": attr.label_keyed_string_dict(default = {
            Label("@platforms//cpu:" + machine["cpu"]): name
            for name, machine in MACHINES.items()
            if name != BASE
        }),
        "_tool": attr.label(
            default = "//bazel/image/attest:referrers",
            doc = "Writes the layout.",
            cfg = "exec",
            executable = True,
        ),
    },
)

def sbom_test(name, image, sbom, **kwargs):
    """Bills of materials are valid, and name everything that is in the image.

    Args:
      name: of the test.
      image: an oci_image.
      sbom: its image_sbom.
      **kwargs: what all tests have.
    """
    kwargs = {"size": "medium"} | kwargs
    debian_locks, wheels_locks = Label("//bazel/debian:locks"), Label("//bazel/pypi:locks")
    native.filegroup(
        name = name + "_contents",
        testonly = True,
        srcs = [sbom],
        output_group = "contents",
        tags = ["manual"],
    )
    pytest_test(
        name = name,
        srcs = [Label("//bazel/image/attest:sbom_check.py")],
        data = [
            image,
            name + "_contents",
            sbom,
            debian_locks,
            wheels_locks,
        ],
        env = {
            "CONTENTS": "$(rootpaths %s_contents)" % name,
            "DEBIAN_LOCKS": "$(rootpaths %s)" % debian_locks,
            "LAYOUT": "$(rootpath %s)" % image,
            "SBOM": "$(rootpath %s)" % sbom,
            "WHEELS_LOCKS": "$(rootpaths %s)" % wheels_locks,
        },
        deps = [
            Label("//bazel/image/attest:sbom_lib"),
            Label("//bazel/platforms:table"),
        ],
        **kwargs
    )
