"""oci_push_rule: pushes an image to a registry."""

load("//bazel/oci:launcher.bzl", "runfile", "shell_quote", "write_launcher")
load("//bazel/oci:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":common.bzl", "layout_inputs", "layout_of")

def _oci_push_impl(ctx):
    repository = ctx.attr.repository
    if "@" in repository or ":" in repository.split("/")[-1]:
        fail("'repository' of %s must have no tag and no digest, but is %r: put tags into 'remote_tags'" %
             (ctx.label, repository))
    toolchain = ctx.toolchains[TOOLCHAIN_TYPE].oci
    words = [
        runfile(ctx, ctx.executable._transfer),
        "push",
        runfile(ctx, layout_of(ctx.attr.image), "--layout="),
        runfile(ctx, toolchain.skopeo, "--skopeo="),
    ]
    files = []
    if repository:
        words.append(shell_quote("--repository=" + repository))
    elif ctx.file.repository_file:
        words.append(runfile(ctx, ctx.file.repository_file, "--repository-file="))
        files.append(ctx.file.repository_file)
    if ctx.file.remote_tags:
        words.append(runfile(ctx, ctx.file.remote_tags, "--tags-file="))
        files.append(ctx.file.remote_tags)
    launcher = write_launcher(ctx, "push_%s.sh" % ctx.label.name, words)
    runfiles = ctx.runfiles(files, transitive_files = depset(transitive = [
        layout_inputs(ctx.attr.image),
        toolchain.files,
    ]))
    return [DefaultInfo(
        executable = launcher,
        runfiles = runfiles.merge(ctx.attr._transfer[DefaultInfo].default_runfiles),
    )]

oci_push = rule(
    implementation = _oci_push_impl,
    doc = """Pushes an image with `bazel run`, by its digest first and then by its tags.

The user's logins are used, as docker, podman and skopeo keep them; README.md says where they are looked for.
""",
    attrs = {
        "image": attr.label(doc = "An oci_image or oci_image_index.", allow_single_file = True, mandatory = True),
        "remote_tags": attr.label(doc = "File of one tag a line.", allow_single_file = True),
        "repository": attr.string(doc = "HOST/NAME, without tag and digest."),
        "repository_file": attr.label(
            doc = "File that holds the repository, read when run; used when `repository` is not set.",
            allow_single_file = True,
        ),
        "_transfer": attr.label(
            doc = "Pushes.",
            default = "//bazel/oci/private:transfer",
            cfg = "exec",
            executable = True,
        ),
    },
    executable = True,
    toolchains = [TOOLCHAIN_TYPE],
)
