"""The image of one's own in docs/images.md is the one that is built and tested here."""

from pathlib import Path

from bazel.model.tests.snippet import snippet

PAGE = Path("docs/images.md").read_text()
HERE = Path("images/testdata/mine")

# What stands elsewhere here: the trainer of docs/training.md, and the rules with one test.
HERE_INSTEAD = {
    '"//python/mine:train"': '"//bazel/model/tests/mine:train"',
    '"//bazel/image:defs.bzl"': '"//bazel/image/tests:one_test.bzl"',
}


def test_the_stanzas_are_those_that_are_used_here() -> None:
    block = snippet(PAGE, "images/mine/BUILD.bazel")
    for there, here in HERE_INSTEAD.items():
        assert there in block
        block = block.replace(there, here)
    loads, *stanzas = block.strip().split("\n\n")
    used = (HERE / "BUILD.bazel").read_text()
    for text in (*loads.splitlines(), *stanzas):
        assert text in used


def test_the_contract_is_the_one_that_is_kept_here() -> None:
    block = snippet(PAGE, "images/mine/mine.contract.yaml")
    assert block == (HERE / "mine.contract.yaml").read_text()
