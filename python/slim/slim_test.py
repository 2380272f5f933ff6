"""What the slim models of digits promise, and that the engine runs them."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from paddle_training import runtime

runtime.start(0)
import paddle
import paddle_engine

from digits import data
from slim import distill, prune, qat, quantize, slimming
from slim.program import Model

FLOAT = Path(os.environ["FLOAT"])
SIMPLE_CNN = Path(os.environ["SIMPLE_CNN"])
MODELS = {
    name: Path(os.environ[name.upper()])
    for name in ("digits_int8", "digits_qat", "digits_pruned", "digits_distilled")
}
INT8 = ["digits_int8", "digits_qat"]
SMALLER = ["digits_pruned", "digits_distilled"]
_, HELD_OUT = data.load()

# Every site and every CPU makes these bits of those of digits. After a change of a program, the
# data, digits or a locked version, take the new ones from bazel-bin/python/slim/NAME.
DIGESTS = {
    "digits_int8": {
        "model.pdmodel": "7c994091357b1b4855e45baa6bbf916ff930ab053199bd69ff8eef64425d2f64",
        "model.pdiparams": "ee52d5c0280b64c5dff680e777d2810093eb960d6a85683f6934d977cc537dec",
    },
    "digits_qat": {
        "model.pdmodel": "7b5e95181f5afd7d07dcdfdecd8b5d8e228794fd18ab737f98519f38b4f795a4",
        "model.pdiparams": "5d2e9e0765969a676884092a663d0b3c877252ea6b81d42f5fd6d851ab6c0769",
    },
    "digits_pruned": {
        "model.pdmodel": "c2b6a1bd2ee2fc16fd9c8ebbebb93a92fe2d7ad9ef7d7ad1e64d52b56f7cfa0f",
        "model.pdiparams": "6eecefd3fd82abf731cf5b636052a71e42e7e8099b57aa48aa862813a8d30000",
    },
    "digits_distilled": {
        "model.pdmodel": "f2ef31fdeef79ab16d2de04945556428695a31fc2e7550e75fac77243f2606fa",
        "model.pdiparams": "990a70e8d4b88b2849bd6e964c51c8ea984b2c48f09f7743aba464915e3c9657",
    },
}


def metadata(model: Path) -> dict[str, object]:
    """What a model's metadata.json says."""
    told: dict[str, object] = json.loads((model / "metadata.json").read_text())
    return told


def accuracy(model: Path, cpu_engine: Literal["onednn", "plain"] = "onednn") -> float:
    """Share of the held-out rows that the engine gets right on this CPU."""
    logits = paddle_engine.Engine(model, cpu_engine=cpu_engine).run({"x": HELD_OUT.images})[
        "logits"
    ]
    return float((logits.argmax(axis=1) == HELD_OUT.labels).mean())


def weights(model: Path) -> list[list[int]]:
    """Shapes of the filters and matrices, as Paddle loads them."""
    shapes = [p.shape for p in paddle.jit.load(str(model / "model")).parameters()]
    return [s for s in shapes if len(s) > 1]


def flop(model: Path) -> int:
    """Counted by hand: 3 convolutions whose outputs have 8x8, 4x4 and 4x4 places, and a matrix."""
    places = iter((64, 16, 16))
    return sum(2 * int(np.prod(s)) * (next(places) if len(s) == 4 else 1) for s in weights(model))


@pytest.mark.parametrize("name", MODELS)
def test_these_bits_everywhere(name: str) -> None:
    digests = {file: f"sha256:{digest}" for file, digest in DIGESTS[name].items()}
    assert metadata(MODELS[name])["digests"] == digests


@pytest.mark.parametrize("name", MODELS)
def test_within_a_point_of_the_float_model(name: str) -> None:
    assert accuracy(MODELS[name]) >= accuracy(FLOAT) - 0.01
    assert accuracy(MODELS[name], cpu_engine="plain") >= accuracy(FLOAT, cpu_engine="plain") - 0.01


@pytest.mark.parametrize("name", INT8)
def test_int8_takes_less_than_a_third_of_the_bytes(name: str) -> None:
    sizes = [(m / "model.pdiparams").stat().st_size for m in (MODELS[name], FLOAT)]
    assert sizes[0] <= 0.3 * sizes[1]
    held = Model.load(MODELS[name]).parameters
    assert {n for n, a in held.items() if a.dtype == np.int8} == {
        "conv2d_0.w_0",
        "conv2d_1.w_0",
        "conv2d_2.w_0",
        "linear_0.w_0",
    }
    assert metadata(MODELS[name])["precision"] == "int8"


@pytest.mark.parametrize("name", SMALLER)
def test_smaller_networks_take_less_than_half_the_flop(name: str) -> None:
    assert flop(MODELS[name]) <= flop(FLOAT) / 2
    metrics = metadata(MODELS[name])["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["flop"] == flop(MODELS[name])
    assert metrics["flop_ratio"] == round(flop(MODELS[name]) / flop(FLOAT), 6)
    assert metadata(MODELS[name])["precision"] == "fp32"


def test_pruning_halves_the_filters_of_every_convolution() -> None:
    shapes = [a.shape for a in Model.load(MODELS["digits_pruned"]).parameters.values()]
    assert [s for s in shapes if len(s) > 1] == [
        (8, 1, 3, 3),
        (16, 8, 3, 3),
        (16, 16, 3, 3),
        (256, 10),
    ]


@pytest.mark.parametrize("name", MODELS)
def test_metadata_names_what_it_was_made_of(name: str) -> None:
    told, parent = metadata(MODELS[name]), metadata(FLOAT)
    settings, digests = told["settings"], parent["digests"]
    assert isinstance(settings, dict) and isinstance(digests, dict)
    assert settings["float_model"] == digests["model.pdiparams"]
    assert (told["inputs"], told["outputs"]) == (parent["inputs"], parent["outputs"])
    assert told["data"] == parent["data"]


@pytest.mark.parametrize("name", INT8)
def test_the_engine_computes_in_int8(name: str) -> None:
    """Not in float with rounded weights: that is what it gives without oneDNN."""
    engine = paddle_engine.Engine(MODELS[name])
    outputs = engine.run({"x": HELD_OUT.images})["logits"]
    simulated = paddle_engine.Engine(MODELS[name], cpu_engine="plain").run({"x": HELD_OUT.images})
    assert not np.array_equal(outputs, simulated["logits"])
    assert np.array_equal(outputs, engine.clone().run({"x": HELD_OUT.images})["logits"])


def test_the_engine_keeps_quiet_about_it() -> None:
    """Paddle's int8 passes write 29 coloured lines to stderr, where a server writes its log."""
    code = f"import paddle_engine; paddle_engine.Engine({str(MODELS['digits_int8'])!r})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("program", "name"), [("QUANTIZE", "digits_int8"), ("QAT", "digits_qat")])
def test_the_same_bits_in_other_surroundings(program: str, name: str, tmp_path: Path) -> None:
    """PaddleSlim leaves its operators in the order of a hash table, which changes by run."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "none"),
        "RUNFILES_DIR": str(Path.cwd().parent),
        "PYTHONHASHSEED": "4711",
        "OMP_NUM_THREADS": "2",
        "TMPDIR": str(tmp_path),
    }
    command = [str(Path(os.environ[program]).absolute()), "digits", f"--model={FLOAT.absolute()}"]
    done = subprocess.run(
        [*command, f"--out={tmp_path}/out"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| parameter bytes | 77,352 |" in done.stderr
    assert "latency" in done.stderr
    for file in ("model.pdmodel", "model.pdiparams"):
        assert (tmp_path / "out" / file).read_bytes() == (MODELS[name] / file).read_bytes()
    assert "latency" not in (tmp_path / "out/metadata.json").read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("fpu avx2", "has no int8 instructions (AVX512-VNNI/AVX-VNNI)"),
        ("fpu avx2 avx_vnni", "has int8 instructions: AVX-VNNI."),
        ("avx512f avx512_vnni amx_int8", "has int8 instructions: AVX512-VNNI, AMX."),
    ],
)
def test_says_whether_the_cpu_has_int8(flags: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert said in slimming.about_this_cpu(tmp_path / "cpuinfo")


@pytest.mark.parametrize("program", [quantize, prune, distill, qat])
def test_mistakes_are_usage_errors(program: object, tmp_path: Path) -> None:
    def refused(model: Path, *more: str, task: str = "digits") -> str:
        arguments = [task, f"--model={model}", f"--out={tmp_path}/out", "--steps=1", *more]
        result = CliRunner().invoke(program.main, arguments)  # type: ignore[attr-defined]
        assert result.exit_code == 2, result.output
        assert "Usage: " in result.output
        return " ".join(result.output.split())

    (tmp_path / "empty").mkdir()
    assert "A model is a directory with model.pdmodel" in refused(tmp_path / "empty")
    assert "is quantised already: give --model the float" in refused(MODELS["digits_int8"])
    assert "--model is of another network" in refused(SIMPLE_CNN)
    assert "'digit' is not one of 'chinese_ocr', 'digits'" in refused(FLOAT, task="digit")


def test_a_ratio_that_splits_a_group(tmp_path: Path) -> None:
    arguments = ["digits", f"--model={FLOAT}", f"--out={tmp_path}", "--ratio=0.3"]
    result = CliRunner().invoke(prune.main, arguments)
    assert result.exit_code == 2
    assert "GroupNorm of 4 groups cannot hold 11 channels" in " ".join(result.output.split())


def test_the_tidied_graph_gives_the_same_bits(tmp_path: Path) -> None:
    """Taking out what no int8 operator reads changes nothing for those that do."""
    rows: NDArray[np.float32] = HELD_OUT.images[:8]
    network = paddle.nn.Sequential(paddle.nn.Linear(8, 8), paddle.nn.Linear(8, 2))
    network.eval()
    spec = [paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")]
    paddle.jit.save(network, str(tmp_path / "model"), input_spec=spec)
    before = slimming.graph(tmp_path)([rows])[0]
    from slim.program import tidy

    model = Model.load(tmp_path)
    tidy(model, ["y"])
    model.save(tmp_path)
    again = Model.load(tmp_path)
    assert [o.type for o in again.program.blocks[0].ops if o.type == "scale"] == []
    assert np.array_equal(slimming.graph(tmp_path)([rows])[0], before)
    assert np.array_equal(
        paddle_engine.Engine(tmp_path, cpu_engine="plain").run({"x": rows})["y"], before
    )
