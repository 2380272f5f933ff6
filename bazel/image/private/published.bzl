"""What every image of this workspace has beside it: bills, provenance, a push and a load."""

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
    oci_push(name = name + "_oci_push", image = name, **common)
    oci_push(name = name + "_referrers_push", image = name + "_referrers", **common)
    image_program(
        name = name + "_push",
        data = [Label("@debian_tools//:root")],
        files = {
            name: "layout",
            name + "_oci_push": "oci-push",
            name + "_referrers": "referrers",
            name + "_referrers_push": "referrers-push",
            Label("//:security_lock.json"): "security-lock",
            Label("@debian_tools//:bin/docker-registry"): "docker-registry",
            Label("@debian_tools//:bin/skopeo"): "skopeo",
        },
        program = Label("//bazel/image/push:push"),
        tags = tags,
        texts = {
            "default-tags": json.encode([version]),
            "label": "//%s:%s" % (native.package_name(), name),
            "name": repository,
        } | texts,
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
