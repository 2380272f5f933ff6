"""Programs about an image that `bazel run` starts: push, run, registry."""

load("//bazel/image/base:locks.bzl", "LOCKS", "lock_words")
load("//bazel/oci:launcher.bzl", "runfile", "shell_quote", "write_launcher")

def _image_program_impl(ctx):
    words = [runfile(ctx, ctx.executable.program)]
    runfiles = ctx.attr.program[DefaultInfo].default_runfiles
    for target, flag in ctx.attr.files.items():
        executable = target[DefaultInfo].files_to_run.executable
        files = target[DefaultInfo].files.to_list()
        words.append(runfile(ctx, executable or files[0], "--%s=" % flag))
        runfiles = runfiles.merge(ctx.runfiles(files)).merge(target[DefaultInfo].default_runfiles)
    words += [runfile(ctx, file, "--lock=%s=" % name) for name, file in lock_words(ctx.files.locks)]
    for flag, text in ctx.attr.texts.items():
        words.append(shell_quote("--%s=%s" % (flag, text)))
    return [DefaultInfo(
        executable = write_launcher(ctx, ctx.label.name, words),
        runfiles = runfiles.merge(ctx.runfiles(ctx.files.data + ctx.files.locks)),
    )]

image_program = rule(
    implementation = _image_program_impl,
    doc = "Runs a program with flags of its own before the user's.",
    attrs = {
        "data": attr.label_list(doc = "More files that it needs.", allow_files = True),
        "files": attr.label_keyed_string_dict(doc = "Target -> flag that names its file.", allow_files = True),
        "locks": attr.label_list(doc = "Locks, each of which it gets as `--lock=NAME=FILE`.", allow_files = True),
        "program": attr.label(doc = "What runs.", executable = True, cfg = "target", mandatory = True),
        "texts": attr.string_dict(doc = "Flag -> value."),
    },
    executable = True,
)

def paddle_registry(name, **kwargs):
    """Serves the embedded registry's storage with `bazel run`, until Ctrl-C.

    Args:
      name: of the target.
      **kwargs: what all rules have.
    """
    image_program(
        name = name,
        data = [Label("@debian_tools//:root")],
        files = {Label("@debian_tools//:bin/docker-registry"): "docker-registry"},
        program = Label("//bazel/image/registry:registry"),
        **kwargs
    )

def paddle_verify(name, images, **kwargs):
    """Verifies pushed images with `bazel run`: digests, bills, provenance, and the build itself.

    Args:
      name: of the target.
      images: paddle_image targets that pushed ones may be of.
      **kwargs: what all rules have.
    """
    labels = [native.package_relative_label(image) for image in images]
    image_program(
        name = name,
        data = [Label("@debian_tools//:root")],
        files = {
            Label("@debian_tools//:bin/docker-registry"): "docker-registry",
            Label("@debian_tools//:bin/skopeo"): "skopeo",
        } | {
            label: "image=//%s:%s" % (label.package, label.name)
            for label in labels
        } | {
            label.same_package_label(label.name + "_referrers"): "referrers=//%s:%s" % (label.package, label.name)
            for label in labels
        },
        locks = LOCKS,
        program = Label("//bazel/image/push:verify"),
        **kwargs
    )

def paddle_report(name, images, **kwargs):
    """Writes one HTML page about images with `bazel run`: space, layers, packages, changes, security updates.

    Args:
      name: of the target.
      images: paddle_image targets, in the order of the page.
      **kwargs: what all rules have.
    """
    files = {
        Label("//:security_lock.json"): "security-lock",
        Label("@debian_tools//:bin/gpgv"): "gpgv",
        Label("@debian_tools//:bin/skopeo"): "skopeo",
        Label("@debian_tools//:root"): "keyrings",
    }
    for image in images:
        label = native.package_relative_label(image)
        target = "//%s:%s" % (label.package, label.name)
        files |= {
            label: "image=" + target,
            label.same_package_label(label.name + "_budget"): "budget=" + target,
            label.same_package_label(label.name + "_sbom"): "sbom=" + target,
        }
    image_program(
        name = name,
        files = files,
        program = Label("//bazel/image/report:report"),
        **kwargs
    )
