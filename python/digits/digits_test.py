"""What the built digits model promises."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from paddle_training import runtime

runtime.start(0)
import paddle

from digits import data, network, train

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
METADATA = json.loads((MODEL / "metadata.json").read_text())

# Every site and every CPU trains these bits. After a change of the network, the data or a locked
# version that is meant to change them, take the new ones from bazel-bin/python/digits/digits.
DIGESTS = {
    "model.pdmodel": "sha256:5516a4d9eb408df836f95ffb4f1cf061f4574ab69f1ef51a78ac538f60148ccd",
    "model.pdiparams": "sha256:a121255485f1a075af1bbe3f5d45a6ce4d8899023a448ecd71c85661c301fe7d",
}


def test_these_bits_everywhere() -> None:
    assert METADATA["digests"] == DIGESTS


def test_accuracy_on_the_held_out_split() -> None:
    _, held_out = data.load()
    model = paddle.jit.load(str(MODEL / "model"))
    model.eval()
    outputs = model(paddle.to_tensor(held_out.images)).numpy()
    accuracy = float((outputs.argmax(axis=1) == held_out.labels).mean())
    assert accuracy >= 0.98
    assert METADATA["metrics"]["accuracy"] == round(accuracy, 6)


def test_held_out_rows_are_not_trained_on() -> None:
    train, held_out = data.load()
    assert len(train.images) == 1438
    assert len(held_out.images) == 359
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in held_out.images)


def test_samples_are_the_held_out_split() -> None:
    _, held_out = data.load()
    assert np.array_equal(np.load(SAMPLES / "x.npy"), held_out.images)
    assert np.array_equal(np.load(SAMPLES / "labels.npy"), held_out.labels)
    request = json.loads((SAMPLES / "request.json").read_text())["inputs"][0]
    sent = np.array(request["data"], np.float32).reshape(request["shape"])
    assert request["name"] == "x" and request["datatype"] == "FP32"
    assert np.array_equal(sent, held_out.images[:1])


def test_metadata() -> None:
    assert METADATA["name"] == "digits"
    assert METADATA["paddle_version"] == "2.6.2"
    assert METADATA["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert METADATA["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]
    assert METADATA["precision"] == "fp32"
    assert METADATA["data"]["digest"].startswith("sha256:")
    assert METADATA["code"].startswith("sha256:")
    assert METADATA["settings"]["seed"] == 0
    assert METADATA["settings"]["steps"] == 20 * (1438 // 32)
    for name, value in runtime.DETERMINISTIC_ENVIRONMENT.items():
        assert METADATA["settings"][name] == value


def test_network_is_small() -> None:
    assert sum(p.size for p in network.Digits().parameters()) < 20_000


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--batch-size=2000", "No batch of 2000 from 1438 rows"),
        ("--batch-size=0", "0 is not in the range"),
        ("--seed=-1", "-1 is not in the range"),
        ("--log=/dev/null/logs", "/dev/null/logs: Not a directory"),
    ],
)
def test_mistaken_options_are_usage_errors(option: str, message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(train.main, [f"--out={tmp_path}/out", option])
    assert result.exit_code == 2
    assert "Usage: " in result.output
    assert message in result.output


def test_checkpoints_of_another_batch_size_are_refused_in_a_sentence(tmp_path: Path) -> None:
    arguments = ["--steps=2", f"--out={tmp_path}/out", f"--checkpoint={tmp_path}/c"]
    assert CliRunner().invoke(train.main, arguments).exit_code == 0
    refused = CliRunner().invoke(train.main, [*arguments, "--batch-size=16"])
    assert refused.exit_code == 1
    assert "batch_size is 32 there and 16 here" in refused.output
