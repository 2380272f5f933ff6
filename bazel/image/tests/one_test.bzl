"""paddle_image of docs/images.md with one test: //images has the images whose every target is built."""

load("//bazel/image:defs.bzl", _paddle_image = "paddle_image", _wheel_layer = "wheel_layer")
load("//bazel/image/run:contract.bzl", "contract_test")

wheel_layer = _wheel_layer

def paddle_image(name, contract, **kwargs):
    """The image, with targets that are manual, and a test of its contract.

    Args:
      name: of the image.
      contract: as paddle_image has it.
      **kwargs: likewise.
    """
    _paddle_image(name = name, contract = contract, tags = ["manual"], **kwargs)
    contract_test(
        name = name + "_contract_test",
        size = "large",
        contract = contract,
        image = name,
    )
