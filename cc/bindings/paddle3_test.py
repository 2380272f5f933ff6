"""paddle_engine beside Paddle 3: the bits of its paddle.inference, of models in both formats."""

from __future__ import annotations

import itertools
import os
import threading
import zipfile
from pathlib import Path
from typing import Literal

# docs/engine.md says what a long one does to a process with Paddle 3.
os.environ.pop("TEST_TMPDIR", None)

import numpy as np
import paddle
import paddle_engine
import pytest
from numpy.typing import NDArray
from paddle_engine import Engine, EngineError

DIGITS = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
PIR = Path("cc/engine/testdata/pir")
MODELS = {
    "digits": DIGITS,
    **{name: PIR / name for name in ("branches", "cnn", "words")},
}


def inputs_of(name: str, engine: Engine) -> dict[str, NDArray[np.generic]]:
    if name == "digits":
        return {"x": np.load(SAMPLES / "x.npy")}
    return {spec.name: np.load(PIR / name / f"in.{spec.name}.npy") for spec in engine.inputs}


def by_paddle(
    folder: Path, inputs: dict[str, NDArray[np.generic]], cpu_engine: str
) -> dict[str, NDArray[np.generic]]:
    program = next(p for p in (folder / "model.pdmodel", folder / "model.json") if p.exists())
    config = paddle.inference.Config(str(program), str(folder / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if cpu_engine == "plain":
        config.disable_onednn()
    elif cpu_engine == "openvino":
        config.enable_openvino_engine(paddle.inference.PrecisionType.Float32)
    predictor = paddle.inference.create_predictor(config)
    for name in predictor.get_input_names():
        handle = predictor.get_input_handle(name)
        handle.reshape(inputs[name].shape)
        handle.copy_from_cpu(inputs[name])
    predictor.run()
    return {n: predictor.get_output_handle(n).copy_to_cpu() for n in predictor.get_output_names()}


def test_it_is_paddle_3() -> None:
    assert paddle_engine.PADDLE_VERSION == paddle.__version__ == os.environ["PADDLE_VERSION"]


@pytest.mark.parametrize(
    ("name", "cpu_engine"),
    [*itertools.product(MODELS, ["onednn", "plain"]), ("digits", "openvino")],
)
def test_the_bits_of_paddle_inference(
    name: str, cpu_engine: Literal["onednn", "openvino", "plain"]
) -> None:
    engine = Engine(MODELS[name], cpu_engine=cpu_engine)
    inputs = inputs_of(name, engine)
    expected = by_paddle(MODELS[name], inputs, cpu_engine)
    got = engine.run(inputs)
    assert list(got) == list(expected)
    for output, array in expected.items():
        assert (got[output].dtype, got[output].shape) == (array.dtype, array.shape)
        assert got[output].tobytes() == array.tobytes()


def test_openvino_says_what_it_does_not_take() -> None:
    with pytest.raises(ValueError, match=r"Paddle 3's own format.* cpu_engine onednn"):
        Engine(MODELS["cnn"], cpu_engine="openvino")
    with pytest.raises(
        ValueError, match="it must be one of onednn, openvino, plain, openvino_bfloat16"
    ):
        Engine(MODELS["cnn"], cpu_engine="mkldnn")  # type: ignore[arg-type]


def test_clones_run_side_by_side() -> None:
    engine = Engine(MODELS["cnn"])
    inputs = inputs_of("cnn", engine)
    (expected,) = (array.tobytes() for array in engine.run(inputs).values())
    got: list[bytes] = []

    def run(clone: Engine) -> None:
        for _ in range(20):
            got.extend(array.tobytes() for array in clone.run(inputs).values())

    threads = [threading.Thread(target=run, args=[engine.clone()]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [expected] * 60


def test_values_are_held_to_their_tables() -> None:
    engine = Engine(MODELS["words"])
    assert {spec.name: spec.range for spec in engine.inputs} == {
        "ids": (0, 49),
        "lengths": (0, 7),
    }
    inputs = inputs_of("words", engine)
    inputs["ids"][1, 2] = 50
    with pytest.raises(ValueError, match="the model takes 0 to 49"):
        engine.run(inputs)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pdiparams").write_bytes((PIR / "cnn/model.pdiparams").read_bytes())
    (tmp_path / "model.json").write_bytes((PIR / "cnn/model.json").read_bytes()[:-9])
    with pytest.raises(EngineError, match=r"model\.json is damaged: cut off"):
        Engine(tmp_path)


def test_one_libpaddle_is_loaded() -> None:
    maps = Path("/proc/self/maps").read_text().splitlines()
    assert len({line.split()[4] for line in maps if line.endswith("/libpaddle.so")}) == 1


def test_the_wheel_says_what_it_needs() -> None:
    wheel = Path(os.environ["WHEEL"])
    assert wheel.name.split("-")[1].endswith("+paddle3")
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert (
            f"Requires-Dist: paddlepaddle=={os.environ['PADDLE_VERSION']}\n"
            in archive.read(path).decode()
        )
