"""The lines of Paddle that are built with, side by side; docs/engine.md says what each library is for.

A line's versions are those of its lock. All else that differs between lines
stands here, and is taken from here.
"""

PADDLE_LINES = {
    "2": struct(
        # What names end with: of targets that there is one of for each line, and of the SDK.
        suffix = "",
        # What the wheels of its lock are found in.
        hub = "pypi",
        # The repository of the unpacked wheel.
        wheel = "pypi_paddlepaddle",
        # What a predictor needs, by its path in the wheel's paddle/; the rest is for training or for
        # other devices. libmklml_intel is dlopened, so no linker would miss it.
        runtime = [
            "base/libpaddle.so",
            "libs/libcommon.so",
            "libs/libdnnl.so.3",
            "libs/libiomp5.so",
            "libs/libmklml_intel.so",
        ],
        # Libraries that a build action strips of symbols that no loader reads.
        stripped = ["libs/libdnnl.so.3"],  # 9 MB
        # The wheel for GPUs, of the same version: kernels are in libphi.so. Code for GPUs is packed
        # by a build action; `training` is what training needs of that besides.
        gpu = struct(
            wheel = "pypi_paddlepaddle_gpu",
            runtime = ["libs/libphi.so"],
            training = ["libs/libflashattn.so"],
            code = [
                "base/libpaddle.so",
                "libs/libflashattn.so",
                "libs/libphi.so",
            ],
        ),
    ),
    "3": struct(
        suffix = "3",
        hub = "pypi3",
        wheel = "pypi3_paddlepaddle",
        runtime = [
            "base/libpaddle.so",
            "libs/libcommon.so",
            "libs/libdnnl.so.3",
            "libs/libiomp5.so",
            "libs/libmklml_intel.so",
            # libpaddle.so is linked with OpenVINO. The plugin that would compute with it, 63 MB, is
            # opened by who enables it.
            "libs/libopenvino.so.2500",
            "libs/libopenvino_paddle_frontend.so.2500",
            "libs/libphi.so",
            "libs/libphi_core.so",
            "libs/libtbb.so.12",
        ],
        stripped = ["libs/libdnnl.so.3"],
        gpu = None,
    ),
}

def line_target(name, line):
    """The target of a line, where there is one for each.

    Args:
      name: that of the first line.
      line: key of `PADDLE_LINES`.

    Returns:
      its name: with line 3 `NAME_paddle3`.
    """
    suffix = PADDLE_LINES[line].suffix
    return name + ("_paddle" + suffix if suffix else "")

def line_labels(label):
    """The targets that a macro chooses one of by a line's key.

    Args:
      label: that of the first line.

    Returns:
      line -> label.
    """
    return {line: label.same_package_label(line_target(label.name, line)) for line in PADDLE_LINES}

# File names of the engine's libraries, of all lines together.
ENGINE_LIBRARIES = ["libpaddle_pystub.so"] + {
    path.rpartition("/")[2]: None
    for line in PADDLE_LINES.values()
    for path in line.runtime
}.keys()
