"""image_annotations: what an image says of itself, as oci_image takes it."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("@debian//:security.bzl", "SECURITY_DATE")

def _image_annotations_impl(ctx):
    values = dict(ctx.attr.values)
    patched = ctx.attr._patched[BuildSettingInfo].value
    values["paddle_images.security"] = SECURITY_DATE if patched else "base"
    source = ctx.attr._source[BuildSettingInfo].value
    if source:
        values["org.opencontainers.image.source"] = source
    out = ctx.actions.declare_file(ctx.label.name + ".json")
    stamp = ctx.attr._revision[BuildSettingInfo].value
    more = ([ctx.info_file] if stamp else []) + ctx.files.model
    known = ctx.actions.declare_file(ctx.label.name + ".known.json") if more else out
    ctx.actions.write(known, json.encode(values) + "\n")  # which sorts
    if more:
        arguments = ctx.actions.args()
        arguments.add_all(["--known", known, "--out", out])
        arguments.add_all("--status", [ctx.info_file] if stamp else [])
        arguments.add_all("--model", ctx.files.model, expand_directories = False)
        ctx.actions.run(
            executable = ctx.executable._tool,
            arguments = [arguments],
            inputs = [known] + more,
            outputs = [out],
            mnemonic = "ImageAnnotations",
        )
    return [DefaultInfo(files = depset([out]))]

image_annotations = rule(
    implementation = _image_annotations_impl,
    doc = "A file of JSON, for labels and annotations: those given, which Debian packages it is of, the commit, and what a model says of itself.",
    attrs = {
        "model": attr.label(allow_single_file = True, doc = "A paddle_model, if the image is of it alone."),
        "values": attr.string_dict(mandatory = True, doc = "Key -> value."),
        "_patched": attr.label(default = "//bazel/debian:patched"),
        "_revision": attr.label(default = "//bazel/image/settings:revision"),
        "_source": attr.label(default = "//bazel/image/settings:source"),
        "_tool": attr.label(
            default = "//bazel/image/attest:annotations",
            doc = "Writes the file.",
            cfg = "exec",
            executable = True,
        ),
    },
)
