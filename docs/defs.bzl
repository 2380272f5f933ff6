"""page_test: the code blocks of a page do what they say."""

load("//bazel/pypi:defs.bzl", "pytest_test")

_ProgramInfo = provider(
    "How a target is run.",
    fields = {"args": "its own arguments, before the user's"},
)

def _program_impl(_target, ctx):
    data = getattr(ctx.rule.attr, "data", [])
    return [_ProgramInfo(args = [
        ctx.expand_location(argument, data)
        for argument in getattr(ctx.rule.attr, "args", [])
    ])]

_program = aspect(implementation = _program_impl)

def _commands_impl(ctx):
    programs = {}
    runfiles = ctx.runfiles()
    for target, label in ctx.attr.targets.items():
        executable = target[DefaultInfo].files_to_run.executable
        environment = target[RunEnvironmentInfo].environment if RunEnvironmentInfo in target else {}
        programs[label] = {
            "args": target[_ProgramInfo].args if _ProgramInfo in target else [],
            "env": environment,
            "path": executable.short_path if executable else None,
        }
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
        runfiles = runfiles.merge(ctx.runfiles(transitive_files = target[DefaultInfo].files))
    told = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(told, json.encode({
        "programs": programs,
        "named": ctx.attr.named.values(),
    }))
    return [DefaultInfo(
        files = depset([told]),
        runfiles = runfiles.merge(ctx.runfiles([told])),
    )]

_commands = rule(
    implementation = _commands_impl,
    doc = "Targets, built, and a file that says how `bazel run` starts them.",
    attrs = {
        "targets": attr.label_keyed_string_dict(aspects = [_program], doc = "Target -> how pages name it.", allow_files = True),
        "named": attr.label_keyed_string_dict(doc = "The same; they are not built.", allow_files = True),
    },
)

def page_test(name, page, targets = [], named = [], data = [], **kwargs):
    """Runs the code blocks of a page, and looks at the commands of the others.

    CONTRIBUTING.md, "Pages", says how blocks are marked.

    Args:
      name: of the test.
      page: a Markdown file.
      targets: what the page's `./bazelw` commands build and run, as they name it.
      named: what else it names: tests that run its blocks, and what is too large to be built for this.
      data: other pages, which links lead to.
      **kwargs: what all tests have; `deps` are what its blocks of Python import.
    """
    for label in targets + named:
        if "gpu" in label:
            fail("%s: %s would have `//...` fetch gigabytes of wheels; page_test.py asks for no target for GPUs." % (page, label))
    _commands(
        name = name + "_commands",
        testonly = True,
        named = {target: target for target in named},
        targets = {target: target for target in targets},
    )
    pytest_test(
        name = name,
        timeout = "long",  # it trains, on a busy machine
        srcs = ["//docs:page_test.py"],
        data = [file for file in data if file != page] + [
            page,
            "//:.bazelrc",
            "//docs:built.py",
            "//bazel/toolchains:run",
            "//bazel/workspace:bazelrc",
            ":%s_commands" % name,
        ],
        env = {
            "COMMANDS": "$(rootpath :%s_commands)" % name,
            "PAGE": "$(rootpath %s)" % page,
        },
        **kwargs
    )
