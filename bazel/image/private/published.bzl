"""What images of this workspace have beside them: bills, provenance, a push, a load, a run."""

load("//bazel/image/attest:sbom.bzl", "image_referrers", "image_sbom", "sbom_test")
load("//bazel/oci:defs.bzl", "oci_load", "oci_push")
load(":program.bzl", "image_program")

def published(name, layers, version, texts = {}, vex = None, size = "medium", tags = [], visibility = None):
    """`<name>_sbom`, its test, `<name>_referrers`, `<name>_push` and `<name>_load` of an oci_image.

    Args:
      name: of the image; it is pushed as paddle/<name>.
      layers: its layers, the lowest first.
      version: the tag that is pushed.
      texts: flag -> value, of push.py: what it says of the image's use.
      vex: YAML file of what is known of vulnerabilities inside.
      size: of the test.
      tags: of the targets.
      visibility: of the targets.
    """
    common = {"tags": tags, "visibility": ["//visibility:private"]}
    repository = "paddle/" + name
    image_sbom(
        name = name + "_sbom",
        image = name,
        layers = layers,
        repository = repository,
        tags = tags,
        vex = vex,
        visibility = visibility,
    )
    image_referrers(
        name = name + "_referrers",
        image = name,
        repository = repository,
        sbom = name + "_sbom",
        **common
    )
    sbom_test(
        name = name + "_sbom_test",
        size = size,
        image = name,
        sbom = name + "_sbom",
        tags = tags,
    )
    push(
        name = name + "_push",
        image = name,
        repository = repository,
        tag = version,
        tags = tags,
        texts = texts,
        visibility = visibility,
    )
    oci_load(
        name = name + "_load",
        image = name,
        loader = Label("//bazel/image/push:loader"),
        repo_tags = ["%s:%s" % (repository, version)],
        tags = tags,
        visibility = visibility,
    )

def push(name, image, repository, tag, target = None, texts = {}, tags = [], visibility = None):
    """Pushes an image with `bazel run`, and what is told beside it.

    Args:
      name: of the target, `<something>_push`.
      image: the image; `<image>_referrers` is what is told beside it, `<image>_run` runs it.
      repository: where it goes.
      tag: that it gets.
      target: what people run to push it; else this.
      texts: flag -> value, of push.py.
      tags: of the targets.
      visibility: of the target.
    """
    common = {"tags": tags, "visibility": ["//visibility:private"]}
    prefix = name.removesuffix("_push")
    oci_push(name = prefix + "_oci_push", image = image, **common)
    oci_push(name = prefix + "_referrers_push", image = image + "_referrers", **common)
    image_program(
        name = name,
        data = [Label("@debian_tools//:root")],
        files = {
            image: "layout",
            image + "_referrers": "referrers",
            prefix + "_oci_push": "oci-push",
            prefix + "_referrers_push": "referrers-push",
            Label("//:security_lock.json"): "security-lock",
            Label("@debian_tools//:bin/docker-registry"): "docker-registry",
            Label("@debian_tools//:bin/skopeo"): "skopeo",
        },
        program = Label("//bazel/image/push:push"),
        tags = tags,
        texts = {
            "default-tags": json.encode([tag]),
            "label": "//%s:%s" % (native.package_name(), image),
            "name": repository,
            "target": "//%s:%s" % (native.package_name(), target or name),
        } | texts,
        visibility = visibility,
    )

def run(name, image, repository, tags = [], visibility = None):
    """Runs an image with `bazel run`, under bubblewrap; one of another machine under QEMU.

    Args:
      name: of the target.
      image: the image.
      repository: what it is called while it runs.
      tags: of the target.
      visibility: of the target.
    """
    image_program(
        name = name,
        data = [Label("@debian_tools//:root")],
        files = {
            image: "layout",
            Label("@debian_tools//:bin/bwrap"): "bwrap",
            Label("@debian_tools//:root"): "emulators",
        },
        program = Label("//bazel/image/run:run"),
        tags = tags,
        texts = {"name": repository},
        visibility = visibility,
    )
