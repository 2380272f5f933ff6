"""A paddle_model that is made of another one and of a file."""

import hashlib
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


def test_a_further_file_is_part_of_the_model() -> None:
    content = (CHILD / "classes.txt").read_bytes()
    assert content == b"no\nyes\n"
    assert METADATA["digests"]["classes.txt"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_card_tells_of_it() -> None:
    card = (CHILD / "model_card.md").read_text()
    assert card.startswith("# child\n\nKnows what its parent knows.\n")
    assert "Licence: CC0-1.0." in card
    assert "| accuracy | 0.75 | >= 0.75 |\n| loss | 0.25 | <= 0.3 |\n" in card
    assert "| input | x | FP32 | [-1, 4] |" in card
    assert "./bazelw build //bazel/model/tests:child" in card
    assert '"x": np.zeros([1, 4], "float32")' in card
    for digest in (METADATA["code"], *METADATA["digests"].values()):
        assert digest in card
