"""One model, five ways to run it, the same bits.

See paddle_parity_test in //bazel/model:defs.bzl.
"""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from paddle_images import runtime

runtime.start(0)
import paddle
import paddle_engine

Arrays = dict[str, NDArray[Any]]

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
TOLERANCE = float(os.environ["TOLERANCE"])
METADATA = json.loads((MODEL / "metadata.json").read_text())


def samples(kind: str) -> Arrays:
    """The trainer's held-out "inputs", or what its network answered: "outputs"."""
    return {t["name"]: np.load(SAMPLES / f"{t['name']}.npy") for t in METADATA[kind]}


def static_graph(_directory: Path) -> Arrays:
    """Runs the exported program by paddle.jit.load."""
    model = paddle.jit.load(str(MODEL / "model"))
    model.eval()
    outputs = model(*[paddle.to_tensor(array) for array in samples("inputs").values()])
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    names = [t["name"] for t in METADATA["outputs"]]
    return dict(zip(names, (o.numpy() for o in outputs), strict=True))


def python_inference(onednn: bool) -> Arrays:
    """Runs it by paddle.inference."""
    config = paddle.inference.Config(str(MODEL / "model.pdmodel"), str(MODEL / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if not onednn:
        config.disable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    for name, array in samples("inputs").items():
        handle = predictor.get_input_handle(name)
        handle.reshape(array.shape)
        handle.copy_from_cpu(array)
    predictor.run()
    names = predictor.get_output_names()
    return {name: predictor.get_output_handle(name).copy_to_cpu() for name in names}


def cc_engine(onednn: bool, directory: Path) -> Arrays:
    """Runs it by the C++ engine, in a process of its own."""
    command = [
        *(os.environ["RUN"], os.environ["PREDICT"]),
        *(MODEL, "onednn" if onednn else "plain", directory),
        *(f"{t['name']}={SAMPLES}/{t['name']}.npy" for t in METADATA["inputs"]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {t["name"]: np.load(directory / f"{t['name']}.npy") for t in METADATA["outputs"]}


def python_module(onednn: bool) -> Arrays:
    """Runs it by the C++ engine's Python module, in this process, beside paddle."""
    return paddle_engine.Engine(MODEL, onednn=onednn).run(samples("inputs"))


def assert_same_bits(got: Arrays, expected: Arrays) -> None:
    """Compares outputs byte for byte, and shows the first difference."""
    assert list(got) == list(expected)
    for name, array in expected.items():
        other = got[name]
        assert (other.dtype, other.shape) == (array.dtype, array.shape), name
        if other.tobytes() != array.tobytes():
            as_bytes = np.dtype((np.void, array.itemsize))
            unequal = array.view(as_bytes) != other.view(as_bytes)
            first = tuple(int(i) for i in np.argwhere(unequal)[0])
            pytest.fail(
                f"{name}: {unequal.sum()} of {array.size} elements differ; the first at {first}: "
                f"{other[first]!r} instead of {array[first]!r}"
            )


RUNTIMES: dict[str, Callable[[Path], Arrays]] = {
    "static graph": static_graph,
    "paddle.inference": lambda _: python_inference(onednn=False),
    "C++ engine": lambda directory: cc_engine(False, directory),
    "Python module": lambda _: python_module(onednn=False),
}


@pytest.mark.parametrize("kind", RUNTIMES)
def test_same_bits_as_the_dynamic_graph(kind: str, tmp_path: Path) -> None:
    assert_same_bits(RUNTIMES[kind](tmp_path), samples("outputs"))


def test_same_bits_in_python_and_cc_with_onednn(tmp_path: Path) -> None:
    expected = python_inference(onednn=True)
    assert_same_bits(cc_engine(True, tmp_path), expected)
    assert_same_bits(python_module(onednn=True), expected)


def test_onednn_stays_close_to_the_dynamic_graph() -> None:
    for name, expected in samples("outputs").items():
        difference = np.abs(python_inference(onednn=True)[name] - expected).max()
        assert difference <= TOLERANCE * np.abs(expected).max(), name


def test_a_difference_is_shown() -> None:
    """So that the tests above can fail."""
    expected = {"y": np.zeros((2, 3), np.float32)}
    got = {"y": expected["y"].copy()}
    assert_same_bits(got, expected)
    got["y"][1, 2] = -0.0  # equal as a number, not as bits
    with pytest.raises(pytest.fail.Exception, match=r"y: 1 of 6 .* first at \(1, 2\)"):
        assert_same_bits(got, expected)
