"""paddle_model_import takes what an image has, and what a folder of the workspace has."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from bazel.image.oci.layout import Image

MINE = Path(os.environ["MINE"])
TAKEN = {name: Path(os.environ[name.upper()]) for name in ("folder", "image")}


@pytest.mark.parametrize("name", TAKEN)
def test_the_parameters_are_the_same_bytes(name: str) -> None:
    parameters = "model.pdiparams"
    assert (TAKEN[name] / parameters).read_bytes() == (MINE / parameters).read_bytes()


@pytest.mark.parametrize("name", TAKEN)
def test_inputs_and_outputs_are_told(name: str) -> None:
    mine, taken = (json.loads((path / "metadata.json").read_text()) for path in (MINE, TAKEN[name]))
    assert taken["inputs"] == mine["inputs"]
    assert taken["outputs"] == mine["outputs"]
    assert taken["licence"] == "Apache-2.0"


def test_the_source_is_told() -> None:
    digest = Image(Path(os.environ["LAYOUT"])).digest
    told = {
        name: json.loads((path / "metadata.json").read_text())["source"]
        for name, path in TAKEN.items()
    }
    assert told["image"] == f"image {digest}, models/3/model.pdmodel"
    assert told["folder"] == "exported/inference.pdmodel"


def test_both_answer_alike() -> None:
    folder, image = (np.load(f"{path}.samples/logits.npy") for path in TAKEN.values())
    assert folder.shape == (2, 3)
    assert folder.tobytes() == image.tobytes()
