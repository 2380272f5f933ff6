"""`train NAME`: all training programs behind one command, in `bazel run` and in images."""

from __future__ import annotations

from cli.gpu_check import gpu_check
from cli.notebook import notebook
from cli.programs import Programs, in_image, module, need_home
from paddle_training import cpu

# A program is a module with a click command `main`; another one is a line here and one in BUILD.
PROGRAMS = {
    name: module(f"{name}.train") for name in ("simple_cnn", "digits", "chinese_ocr", "text_cls")
}

HELP = """Trains a model and exports it for inference.

In the images, --out is /models/NAME/1 when nothing is said, where the inference image looks for
models, and --log is /logs/NAME.
"""

EPILOG = """\b
How to go on:
  train digits --help                        what a program can be told
  train digits --out FOLDER                  trains; the model goes to FOLDER
  docker run -v models:/models IMAGE digits  the same in a container, for all models to keep
  docker run -p 8888:8888 IMAGE notebook     JupyterLab, in the image `train`
  docker run --gpus all IMAGE gpu-check      which GPUs work, in the image `train_gpu`
"""

main = Programs(
    "train",
    PROGRAMS | {"notebook": lambda: notebook, "gpu-check": lambda: gpu_check},
    HELP,
    EPILOG,
)


def defaults() -> dict[str, dict[str, str]]:
    """What options are in an image when nothing is said, for each program."""
    found = {}
    for name in PROGRAMS:
        paths = {
            "out": in_image("TRAIN_MODELS", name, "1"),
            "log": in_image("TRAIN_LOGS", name),
        }
        found[name] = {option: path for option, path in paths.items() if path}
    return found


if __name__ == "__main__":
    cpu.need_avx()
    need_home()
    main(prog_name="train", default_map=defaults())
