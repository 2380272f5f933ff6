"""A paddle_model that is made of another one and of a file."""

import json
import os
from pathlib import Path

CHILD, PARENT = Path(os.environ["CHILD"]), Path(os.environ["PARENT"])
METADATA = json.loads((CHILD / "metadata.json").read_text())


def test_it_read_the_other_model_and_the_file() -> None:
    parent = json.loads((PARENT / "metadata.json").read_text())
    assert METADATA["settings"]["parent"] == parent["digests"]["model.pdiparams"]
    assert METADATA["settings"]["classes"] == ["no", "yes"]
    assert METADATA["metrics"] == {"accuracy": 0.75, "loss": 0.25}
    assert METADATA["inputs"] == parent["inputs"]
