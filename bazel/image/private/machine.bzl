"""Parts of an image that are built for another machine, and those that all machines have the same of."""

_PLATFORMS = "//command_line_option:platforms"
_OUTER = str(Label("//bazel/image/settings:outer_platforms"))

# What stands before the platforms in that setting: there may be none.
_MARK = "outer"

def _to_machine_impl(settings, attr):
    outer = settings[_OUTER] or [_MARK] + [str(platform) for platform in settings[_PLATFORMS]]
    return {
        _OUTER: outer,
        _PLATFORMS: str(Label("//bazel/platforms:linux_" + attr.machine)),
    }

_to_machine = transition(
    implementation = _to_machine_impl,
    inputs = [_OUTER, _PLATFORMS],
    outputs = [_OUTER, _PLATFORMS],
)

def _from_machine_impl(settings, _attr):
    return {
        _OUTER: [],
        _PLATFORMS: settings[_OUTER][1:] if settings[_OUTER] else settings[_PLATFORMS],
    }

_from_machine = transition(
    implementation = _from_machine_impl,
    inputs = [_OUTER, _PLATFORMS],
    outputs = [_OUTER, _PLATFORMS],
)

def _image_for_machine_impl(ctx):
    target = ctx.attr.target[0]
    (file,) = target[DefaultInfo].files.to_list()
    out = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.symlink(output = out, target_file = file)

    # By names of their own: among runfiles a file has the same path whatever it is built for. Layers
    # are there only to be built; links of the image lead to them.
    layers = [other for other in target[DefaultInfo].default_runfiles.files.to_list() if other != file]
    groups = {name: target[OutputGroupInfo][name] for name in ["contents", "digest"] if name in target[OutputGroupInfo]}
    if "digest" in groups:
        digest = ctx.actions.declare_file(ctx.label.name + ".json.sha256")
        ctx.actions.symlink(output = digest, target_file = groups["digest"].to_list()[0])
        groups["digest"] = depset([digest])
    return [
        DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out] + layers)),
        OutputGroupInfo(**groups),
    ]

image_for_machine = rule(
    implementation = _image_for_machine_impl,
    doc = "The directory that a target is, built for another machine.",
    attrs = {
        "machine": attr.string(mandatory = True, doc = "Key of MACHINES in //bazel/platforms:table.bzl."),
        "target": attr.label(mandatory = True, cfg = _to_machine, doc = "An image, or what is told beside it."),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)

def _for_all_machines_impl(ctx):
    return [ctx.attr.target[0][DefaultInfo]]

for_all_machines = rule(
    implementation = _for_all_machines_impl,
    doc = "What is the same on all machines, like a trained model: an image for another one takes that of the first.",
    attrs = {
        "target": attr.label(mandatory = True, cfg = _from_machine, doc = "What is made of it."),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
