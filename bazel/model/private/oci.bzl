"""oci_model_files: what is in an image or artifact, for paddle_model_import."""

def _oci_model_files_impl(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add_all("--layout", [ctx.file.layout], expand_directories = False)
    arguments.add_all("--out", [out], expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [arguments],
        # A layout of the build links to its layers.
        inputs = depset([ctx.file.layout], transitive = [ctx.attr.layout[DefaultInfo].default_runfiles.files]),
        outputs = [out],
        mnemonic = "OciFiles",
        progress_message = "Unpacking %{label}",
    )
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

oci_model_files = rule(
    implementation = _oci_model_files_impl,
    doc = """The files of an OCI image or artifact, a directory: for `package` of paddle_model_import.

An image gives what a container sees of it. Of an artifact, as ORAS and CNCF's
ModelPack have them, each layer is a file, or an archive of some, where its
annotations say. `manifest.json` is the manifest: its digest is told as the
model's source.

```starlark
oci_model_files(
    name = "detector_files",
    layout = "detector",  # a folder that `skopeo copy ... oci:detector` made
)

paddle_model_import(
    name = "detector",
    package = ":detector_files",
    program = "models/1/inference.pdmodel",
    ...
)
```
""",
    attrs = {
        "layout": attr.label(
            allow_single_file = True,
            doc = "An OCI layout of one image: a folder, `@NAME//:layout` of models.pull, an oci_image or paddle_model_image.",
            mandatory = True,
        ),
        "_tool": attr.label(
            cfg = "exec",
            default = "//bazel/image/oci:files",
            doc = "Unpacks.",
            executable = True,
        ),
    },
)
