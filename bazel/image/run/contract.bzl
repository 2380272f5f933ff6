"""contract_test: holds an image to a YAML file."""

load("@rules_python//python:defs.bzl", "py_test")
load("//bazel/platforms:table.bzl", "BASE", "DEBIAN", "GCC_VERSION", "MACHINES", "PYTHON_VERSION")

# What every contract may name.
_VALUES = {
    "debian": DEBIAN["codename"],
    "gcc": GCC_VERSION,
    "python": PYTHON_VERSION,
}

def contract_test(name, image, contract, budget = {}, files = [], machine = BASE, values = {}, **kwargs):
    """A test of an image's config, files, libraries, sizes and commands.

    Args:
      name: of the test.
      image: an oci_image.
      contract: YAML file; docs/images.md has its keys.
      budget: `unpacked_mb`, `compressed_mb`.
      files: what the contract posts to services, by the names of these files.
      machine: what the image is for. Another machine's programs run under QEMU, which their own cannot be started by:
        see emulator.py.
      values: what `${NAME}` in the contract is; `cpu`, `debian`, `gcc`, `python` and `triple` are known to all.
      **kwargs: what all tests have.
    """
    kwargs = {"size": "medium"} | kwargs
    for key in budget:
        if key not in ["unpacked_mb", "compressed_mb"]:
            fail("%s: budget has the key %r, known are unpacked_mb and compressed_mb" % (name, key))
    of_machine = {key: MACHINES[machine][key] for key in ["cpu", "triple"]}
    main = Label("//bazel/image/run:contract.py")
    py_test(
        name = name,
        srcs = [main],
        args = [
            "--layout=$(rootpath %s)" % image,
            "--contract=$(rootpath %s)" % contract,
        ] + [
            "--%s=%d" % (key.replace("_", "-"), value)
            for key, value in budget.items()
        ] + [
            "--file=$(rootpath %s)" % file
            for file in files
        ] + [
            "--value=%s=%s" % (key, value)
            for key, value in (_VALUES | of_machine | values).items()
        ],
        data = [
            contract,
            image,
        ] + files,
        main = main,
        deps = [Label("//bazel/image/run:contract")],
        **kwargs
    )
