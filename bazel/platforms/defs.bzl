"""A target as it is for another machine, for what is built for several at once.

```starlark
load("@paddle_images//bazel/platforms:defs.bzl", "for_machine")

for_machine(
    name = "server_arm64",
    machine = "arm64",
    target = "//cc/server",
)
```
"""

load(":table.bzl", "MACHINES")

def _transition_impl(_settings, attr):
    return {"//command_line_option:platforms": str(Label("//bazel/platforms:linux_" + attr.machine))}

_transition = transition(
    implementation = _transition_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

def _for_machine_impl(ctx):
    target = ctx.attr.target[0][DefaultInfo]
    files = []
    for file in target.files.to_list():
        # By a name of its own: among runfiles a file has the same path whatever it is built for.
        path = "%s/%s" % (ctx.label.name, file.basename)
        own = ctx.actions.declare_directory(path) if file.is_directory else ctx.actions.declare_file(path)
        ctx.actions.symlink(output = own, target_file = file)
        files.append(own)
    return [DefaultInfo(
        files = depset(files),
        runfiles = ctx.runfiles(files),
    )]

for_machine = rule(
    doc = "The files of a target, `NAME/FILE`, built for one machine, whatever the rest is built for. Its runfiles are not among them.",
    implementation = _for_machine_impl,
    attrs = {
        "machine": attr.string(
            doc = "What it is for.",
            mandatory = True,
            values = MACHINES.keys(),
        ),
        "target": attr.label(
            doc = "What to build.",
            cfg = _transition,
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)
