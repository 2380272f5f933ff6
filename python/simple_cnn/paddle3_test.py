"""What Paddle 3 makes of the same training program."""

import json
import os
from pathlib import Path
from typing import Any

# docs/engine.md says what a long one does to a process with Paddle 3.
os.environ.pop("TEST_TMPDIR", None)

import numpy as np
import paddle_engine

MODEL, MODEL2 = Path(os.environ["MODEL"]), Path(os.environ["MODEL2"])
SAMPLES = Path(os.environ["SAMPLES"])


def metadata(model: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((model / "metadata.json").read_text())
    return told


def test_the_weights_are_those_of_paddle_2() -> None:
    assert metadata(MODEL)["paddle_version"].startswith("3.")
    here, there = metadata(MODEL)["digests"], metadata(MODEL2)["digests"]
    assert here.keys() == {"model.json", "model.pdiparams"}
    assert here["model.pdiparams"] == there["model.pdiparams"]


def test_it_is_described_as_that_one() -> None:
    for key in ("inputs", "outputs", "metrics", "settings"):
        assert metadata(MODEL)[key] == metadata(MODEL2)[key]


def test_the_engine_gives_the_bits_of_the_trainer() -> None:
    engine = paddle_engine.Engine(MODEL, cpu_engine="plain")
    logits = engine.run({"x": np.load(SAMPLES / "x.npy")})["logits"]
    assert logits.tobytes() == np.load(SAMPLES / "logits.npy").tobytes()
