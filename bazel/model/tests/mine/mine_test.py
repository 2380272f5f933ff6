"""The first model of docs/training.md is what the page says it is."""

import json
from pathlib import Path

from bazel.model.tests.snippet import snippet

PAGE = Path("docs/training.md").read_text()
HERE = Path("bazel/model/tests/mine")


def test_the_trainer_has_ten_lines() -> None:
    assert len(snippet(PAGE, "python/mine/train.py").splitlines()) == 10


def test_the_build_file_is_the_one_that_is_used_here() -> None:
    used = (HERE / "BUILD.bazel").read_text()
    for stanza in snippet(PAGE, "python/mine/BUILD.bazel").strip().split("\n\n"):
        assert stanza in used


def test_it_learned() -> None:
    metadata = json.loads((HERE / "mine/metadata.json").read_text())
    assert metadata["metrics"]["accuracy"] >= 0.9
    assert metadata["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 3]}]
