"""From arrays to a model in one call, and a program in one decorator."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import sys
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from paddle_training import runtime

runtime.start(0)
import paddle

from paddle_training import classifier, training


def test_no_row_is_in_both_parts() -> None:
    inputs = np.arange(50.0)[:, None]
    rows, held_out = classifier.split(inputs, np.arange(50))
    assert (len(rows[0]), len(held_out[0])) == (40, 10)
    assert sorted([*rows[1], *held_out[1]]) == list(range(50))
    for part in (rows, held_out):
        assert np.array_equal(part[0][:, 0], part[1])
        assert (str(part[0].dtype), str(part[1].dtype)) == ("float32", "int64")


@training.program
def main(run: training.Run) -> None:
    inputs = np.random.RandomState(0).standard_normal((100, 2))
    rows, held_out = classifier.split(inputs, inputs[:, 0] > inputs[:, 1])
    network = paddle.nn.Linear(2, 2)
    optimizer = paddle.optimizer.Momentum(0.1, parameters=network.parameters())
    classifier.train(
        run, network, optimizer, rows, held_out, epochs=10, batch_size=10, licence="CC0-1.0"
    )


def test_a_program_trains_measures_and_exports(tmp_path: Path) -> None:
    out, samples = tmp_path / "larger", tmp_path / "samples"
    result = CliRunner().invoke(main, [f"--out={out}", f"--samples={samples}"])
    assert result.exit_code == 0, result.output
    metadata = json.loads((out / "metadata.json").read_text())
    assert metadata["name"] == "larger"
    assert metadata["licence"] == "CC0-1.0"
    assert metadata["metrics"]["accuracy"] >= 0.9
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert metadata["settings"]["steps"] == 80
    assert metadata["settings"]["learning_rate"] == 0.1
    logits, labels = np.load(samples / "logits.npy"), np.load(samples / "labels.npy")
    assert round((logits.argmax(axis=1) == labels).mean(), 6) == metadata["metrics"]["accuracy"]


def test_its_help_is_the_modules() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert (sys.modules[__name__].__doc__ or "?") in result.output
    assert "--checkpoint-every STEPS" in result.output
