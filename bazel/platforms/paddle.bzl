"""The lines of Paddle that are built with, side by side; docs/engine.md says what each library is for.

A line's versions are those of its lock. All else that differs between lines
stands here, and is taken from here.
"""

load(":table.bzl", "named_for")

PADDLE_LINES = {
    "2": struct(
        # What names end with: of targets that there is one of for each line, and of the SDK.
        suffix = "",
        # What the wheels of its lock are found in.
        hub = "pypi",
        # The repository of the unpacked wheel for amd64; that for another machine is NAME_MACHINE.
        wheel = "pypi_paddlepaddle",
        # Of each machine that there is a wheel for what a predictor needs, by its path in the wheel's
        # paddle/; the rest is for training or for other devices.
        runtime = {
            "amd64": [
                "base/libpaddle.so",
                "libs/libcommon.so",
                "libs/libdnnl.so.3",
                "libs/libiomp5.so",
                "libs/libmklml_intel.so",  # is dlopened, so no linker would miss it
            ],
            # OpenBLAS is in libpaddle.so, oneDNN nowhere.
            "arm64": [
                "base/libpaddle.so",
                "libs/libcommon.so",
                "libs/libpir.so",
            ],
        },
        # Libraries that a build action strips of symbols that no loader reads.
        stripped = ["libs/libdnnl.so.3"],  # 9 MB
        # Of each machine the libraries that a build action makes find functions in themselves, and
        # what is in the names of these.
        protected = {},
        # What OpenVINO computes with, which is not in the runtime.
        openvino = [],
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
        runtime = {
            "amd64": [
                "base/libpaddle.so",
                "libs/libcommon.so",
                "libs/libdnnl.so.3",
                "libs/libiomp5.so",
                "libs/libmklml_intel.so",
                # libpaddle.so is linked with OpenVINO, whose plugin is opened by who enables it.
                "libs/libopenvino.so.2500",
                "libs/libopenvino_paddle_frontend.so.2500",
                "libs/libphi.so",
                "libs/libphi_core.so",
                "libs/libtbb.so.12",
            ],
            "arm64": [
                "base/libpaddle.so",
                "libs/libcommon.so",
                "libs/libphi.so",
                "libs/libphi_core.so",
                "libs/libpir.so",
            ],
        },
        stripped = ["libs/libdnnl.so.3"],
        # It has a std::filesystem of GCC 8 in it, and called that of libstdc++ for it, whose paths
        # are laid out otherwise: a crash at the load of a model in its own format (Paddle#78744).
        protected = {"arm64": {"base/libpaddle.so": "St10filesystem"}},
        openvino = ["libs/libopenvino_intel_cpu_plugin.so"],  # 63 MB, 17 compressed
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

def line_tags(line):
    """The tags of what `//...` has of the first line only.

    Args:
      line: key of `PADDLE_LINES`.

    Returns:
      a list for `tags`.
    """
    return ["manual"] if PADDLE_LINES[line].suffix else []

def sdk_of(line, machine):
    """The repository of an engine SDK.

    Args:
      line: key of `PADDLE_LINES`.
      machine: key of its `runtime`.

    Returns:
      its name: `paddle` for line 2 on amd64, `paddle3_arm64` for line 3 on arm64.
    """
    return named_for("paddle" + PADDLE_LINES[line].suffix, machine)

def line_labels(label):
    """The targets that a macro chooses one of by a line's key.

    Args:
      label: that of the first line.

    Returns:
      line -> label.
    """
    return {line: label.same_package_label(line_target(label.name, line)) for line in PADDLE_LINES}

# File names of the engine's libraries, of all lines and machines together.
ENGINE_LIBRARIES = ["libpaddle_pystub.so"] + {
    path.rpartition("/")[2]: None
    for line in PADDLE_LINES.values()
    for runtime in line.runtime.values() + [line.openvino]
    for path in runtime
}.keys()
