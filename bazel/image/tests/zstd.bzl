"""with_zstd: a target as it is with --//bazel/image:compression=zstd."""

def _zstd_impl(_settings, _attr):
    return {"//bazel/image:compression": "zstd"}

_zstd = transition(implementation = _zstd_impl, inputs = [], outputs = ["//bazel/image:compression"])

def _with_zstd_impl(ctx):
    (target,) = ctx.attr.target
    return [
        DefaultInfo(files = target[DefaultInfo].files, runfiles = target[DefaultInfo].default_runfiles),
        target[OutputGroupInfo],
    ]

with_zstd = rule(
    implementation = _with_zstd_impl,
    doc = "An image, or what belongs to one, with zstd layers.",
    attrs = {
        "target": attr.label(mandatory = True, cfg = _zstd, doc = "The target."),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
