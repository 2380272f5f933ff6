"""oci_tarball_rule: loads an image into docker, podman or nerdctl."""

load("//bazel/oci:launcher.bzl", "runfile", "shell_quote", "write_launcher")
load(":common.bzl", "layout_inputs", "layout_of")

def _oci_load_impl(ctx):
    layout = layout_of(ctx.attr.image)
    inputs = depset([ctx.file.repo_tags], transitive = [layout_inputs(ctx.attr.image)])

    tarball = ctx.actions.declare_file(ctx.label.name + "/tarball.tar")
    args = ctx.actions.args()
    args.add("tarball")
    args.add_all([layout], before_each = "--layout", expand_directories = False)
    args.add("--repo-tags", ctx.file.repo_tags)
    args.add("--format", ctx.attr.format)
    args.add("--out", tarball)
    ctx.actions.run(
        executable = ctx.executable._transfer,
        arguments = [args],
        inputs = inputs,
        outputs = [tarball],
        mnemonic = "OCITarball",
        progress_message = "Writing OCI tarball %{label}",
    )

    words = [
        runfile(ctx, ctx.executable._transfer),
        "load",
        runfile(ctx, layout, "--layout="),
        runfile(ctx, ctx.file.repo_tags, "--repo-tags="),
        shell_quote("--format=" + ctx.attr.format),
    ]
    runfiles = ctx.runfiles(transitive_files = inputs)
    runfiles = runfiles.merge(ctx.attr._transfer[DefaultInfo].default_runfiles)
    if ctx.attr.loader:
        words.append(runfile(ctx, ctx.executable.loader, "--loader="))
        runfiles = runfiles.merge(ctx.attr.loader[DefaultInfo].default_runfiles)
    launcher = write_launcher(ctx, ctx.label.name + ".sh", words)
    return [
        DefaultInfo(files = depset([launcher]), executable = launcher, runfiles = runfiles),
        OutputGroupInfo(tarball = depset([tarball])),
    ]

oci_load = rule(
    implementation = _oci_load_impl,
    doc = """Loads an image into the user's docker, podman or nerdctl with `bazel run`.

The tarball is streamed; it is a file only in the output group `tarball`.
""",
    attrs = {
        "format": attr.string(
            doc = "`docker`: one image, for every loader. `oci`: an OCI layout, also of an index.",
            default = "docker",
            values = ["docker", "oci"],
        ),
        "image": attr.label(doc = "An oci_image or oci_image_index.", allow_single_file = True, mandatory = True),
        "loader": attr.label(
            doc = "Program to call as `load --input FILE`, instead of the first of docker, podman and nerdctl on PATH.",
            cfg = "exec",
            executable = True,
        ),
        "repo_tags": attr.label(
            doc = "File of one tag a line, like name:tag.",
            allow_single_file = [".txt"],
            mandatory = True,
        ),
        "_transfer": attr.label(
            doc = "Writes tarballs and hands them to the loader.",
            default = "//bazel/oci/private:transfer",
            cfg = "exec",
            executable = True,
        ),
    },
    executable = True,
)
