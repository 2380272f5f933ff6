"""The images for GPUs, as far as can be seen without one."""

import json
import os
import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from bazel.image.oci.layout import Image
from bazel.image.report import facts
from bazel.image.run import runtime
from bazel.paddle.private import gpu_code

IMAGES = {name: Image(Path("images", name)) for name in os.environ["IMAGES"].split()}
LIBPHI = Path(os.environ["LIBPHI"])
PROBE = Path(os.environ["PROBE"])
CONTENTS = Path(os.environ["SBOM"], "contents.json")

# What Paddle can open: phi::dynload::Get<NAME>DsoHandle().
DRIVER = {"CUDA"}
# Paddle's wheels are built without these; nothing asks for them.
NOT_BUILT_IN = {"CusparseLt", "MKLRT", "TensorRt", "XPTI"}
# What serving can do without: images/layers/defs.bzl says what to do where a model cannot.
TRAINING_ONLY = {
    *("CUFFT", "CUPTI", "Curand", "FlashAttn", "LAPACK", "NCCL", "Nvjpeg", "Nvtx"),
    *("WarpCTC", "WarpRNNT"),
}


@cache
def functions() -> dict[str, str]:
    """Name -> mangled function, of every library that Paddle opens by name."""
    found = re.findall(rb"\0(_ZN3phi7dynload\d+Get(\w+)DsoHandleEv)(?=\0)", LIBPHI.read_bytes())
    return {name.decode(): symbol.decode() for symbol, name in found}


def opened(image: str, folder: Path) -> set[str]:
    """The libraries that Paddle finds in an image."""
    (folder / "probe").mkdir()
    shutil.copy(PROBE, folder / "probe/gpu_libraries")
    with runtime.Container(
        IMAGES[image].layout,
        cache=folder / "cache",
        arguments=["/app/paddle/libs/libphi.so", *functions().values()],
        options=[
            f"--volume={folder / 'probe'}:/logs:ro",
            "--entrypoint=/logs/gpu_libraries",
            "--network=host",
        ],
    ) as container:
        assert container.wait(300) == 0, container.stderr
    names = {symbol: name for name, symbol in functions().items()}
    told = dict(line.split() for line in container.stdout.splitlines())
    assert told.keys() == names.keys()
    return {names[symbol] for symbol, what in told.items() if what == "found"}


def test_all_that_paddle_opens_is_in_the_image_that_trains(tmp_path: Path) -> None:
    assert functions().keys() - opened("train_gpu", tmp_path) == DRIVER | NOT_BUILT_IN


def test_all_that_serving_opens_is_in_the_image_that_serves(tmp_path: Path) -> None:
    missing = functions().keys() - opened("inference_gpu", tmp_path)
    assert missing == DRIVER | NOT_BUILT_IN | TRAINING_ONLY


def test_gpu_check_knows_what_paddle_has_code_for() -> None:
    """cc/engine/cuda_driver.cc says it, in CheckCapability."""
    data = LIBPHI.read_bytes()
    code = next(s for s in gpu_code.sections(data) if s.name == ".nv_fatbin")
    sizes: dict[tuple[int, int], int] = {}
    for at, size in gpu_code.fatbins(data, code.offset, code.size):
        for fields, _, body in gpu_code.elements(data[at : at + size]):
            architecture = divmod(fields[8], 10)
            sizes[architecture] = sizes.get(architecture, 0) + len(body)
    # A few kernels of NVIDIA's static libraries are there for others, too.
    biggest = max(sizes.values())
    architectures = sorted(a for a, size in sizes.items() if size > biggest / 10)
    assert architectures == [(6, 1), (7, 0), (7, 5), (8, 0), (8, 6)]


def layers(name: str) -> dict[str, tuple[str, int]]:
    """History -> digest and compressed size."""
    image = IMAGES[name]
    found = facts.layers(image.manifest, image.config)
    return {layer.history: (layer.digest, layer.compressed) for layer in found}


def test_what_both_hold_is_one_layer() -> None:
    serving, training = layers("inference_gpu"), layers("train_gpu")
    shared = serving.keys() & training.keys() - {"program"}
    assert {"cuBLAS", "cuDNN", "Paddle engine for GPUs"} <= shared
    assert all(serving[title] == training[title] for title in shared)


def test_python_lies_in_the_layers_of_the_images_for_cpus() -> None:
    here, there = layers("train_gpu"), layers("train_core")
    shared = here.keys() & there.keys()
    assert {"CPython", "NumPy", "SciPy", "requirements of Paddle", "program"} <= shared
    assert all(here[title] == there[title] for title in shared)


def test_a_wheel_in_two_layers_is_one_in_the_bill_of_materials() -> None:
    listing = json.loads(CONTENTS.read_text())
    (cudnn,) = (c for c in listing if c["name"] == "nvidia-cudnn-cu11")
    libraries = {Path(path).name for path in cudnn["files"]}
    assert {"libcudnn_cnn_infer.so.8", "libcudnn_cnn_train.so.8"} <= libraries
    assert not [c["name"] for c in listing if c["kind"] == "program" and "nvidia" in c["name"]]


@pytest.mark.parametrize("image", ["inference_gpu", "train_gpu"])
def test_an_edit_of_a_program_is_a_small_push(image: str) -> None:
    assert layers(image)["program"][1] < 0.001 * IMAGES[image].compressed_size
