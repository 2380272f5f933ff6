"""An image for machines that are not this one, and the index of all of them."""

load("//bazel/image/attest:sbom.bzl", "sbom_test")
load("//bazel/image/run:contract.bzl", "contract_test")
load("//bazel/oci:defs.bzl", "oci_image_index", "oci_push")
load("//bazel/platforms:table.bzl", "BASE")
load(":machine.bzl", "image_for_machine")
load(":program.bzl", "image_program")
load(":published.bzl", "push", "run")

def other_machines(name, machines, contract, contract_files, repository, version, values, size, tags, visibility):
    """`<name>_<machine>` and what is done with it, and `<name>_index`, as paddle_image has them.

    All of it is manual: it builds everything once more, and tests run under QEMU.

    Args:
      name: of the image.
      machines: machine -> budget.
      contract: of the image, and so of these.
      contract_files: what it posts.
      repository: that all are pushed to.
      version: tag of the index; `<version>-<machine>` is that of an image.
      values: what `${NAME}` in the contract is.
      size: of the test of bills.
      tags: of the image.
      visibility: of the targets.
    """
    tags = tags + ["manual"]
    private = {"tags": tags, "visibility": ["//visibility:private"]}
    public = {"tags": tags, "visibility": visibility}
    for machine, budget in machines.items():
        image = "%s_%s" % (name, machine)
        for suffix in ["", "_referrers", "_sbom"]:
            image_for_machine(name = image + suffix, machine = machine, target = name + suffix, **public)
        native.filegroup(name = image + ".digest", srcs = [image], output_group = "digest", **public)
        run(name = image + "_run", image = image, repository = "%s-%s" % (repository, machine), **public)
        contract_test(
            name = image + "_test",
            size = "large",  # programs take ten times as long
            budget = budget,
            contract = contract,
            files = contract_files,
            image = image,
            machine = machine,
            tags = tags,
            values = values,
        )
        sbom_test(
            name = image + "_sbom_test",
            size = size,
            image = image,
            sbom = image + "_sbom",
            tags = tags,
        )

    images = {BASE: name} | {machine: "%s_%s" % (name, machine) for machine in machines}
    index = name + "_index"
    oci_image_index(name = index, images = images.values(), **public)
    oci_push(name = index + "_oci_push", image = index, **private)
    for machine, image in images.items():
        push(
            name = "%s_%s_push" % (index, machine),
            image = image,
            repository = repository,
            tag = "%s-%s" % (version, machine),
            target = index + "_push",
            **private
        )
    image_program(
        name = index + "_push",
        data = [Label("@debian_tools//:root")],
        files = {
            index: "layout",
            index + "_oci_push": "oci-push",
            Label("@debian_tools//:bin/docker-registry"): "docker-registry",
            Label("@debian_tools//:bin/skopeo"): "skopeo",
        } | {
            "%s_%s_push" % (index, machine): "image=" + machine
            for machine in images
        },
        program = Label("//bazel/image/push:push_index"),
        texts = {
            "name": repository,
            "version": version,
        },
        **public
    )
