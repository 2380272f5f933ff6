"""oci_toolchain: which programs the rules run on the user's machine."""

OciToolchainInfo = provider(
    doc = "Programs that the OCI rules run.",
    fields = {
        "files": "depset of the programs' files.",
        "skopeo": "File of skopeo, which pushes images.",
        "zstd": "File of zstd, which reads zstd layers, or None.",
    },
)

TOOLCHAIN_TYPE = str(Label("//bazel/oci:toolchain_type"))

def _oci_toolchain_impl(ctx):
    programs = [file for file in [ctx.file.skopeo, ctx.file.zstd] if file]
    info = OciToolchainInfo(
        files = depset(programs + ctx.files.data),
        skopeo = ctx.file.skopeo,
        zstd = ctx.file.zstd,
    )
    return [platform_common.ToolchainInfo(oci = info)]

oci_toolchain = rule(
    implementation = _oci_toolchain_impl,
    doc = """Names the programs of the rules; wrap it in a `toolchain` and register that:

```starlark
oci_toolchain(
    name = "programs",
    skopeo = "@tools//:bin/skopeo",
    data = ["@tools//:libraries"],
)

toolchain(
    name = "toolchain",
    toolchain = ":programs",
    toolchain_type = "//bazel/oci:toolchain_type",
)
```
""",
    attrs = {
        "data": attr.label_list(doc = "Files that the programs need.", allow_files = True, cfg = "exec"),
        "skopeo": attr.label(
            doc = "The program that oci_push pushes with.",
            allow_single_file = True,
            cfg = "exec",
            mandatory = True,
        ),
        "zstd": attr.label(
            doc = "The program that reads layers named .tar.zst and .tzst.",
            allow_single_file = True,
            cfg = "exec",
        ),
    },
)
