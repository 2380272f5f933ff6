"""A trainer gives the same files in different surroundings and on different CPUs.

See paddle_reproducible_test in //bazel/model:defs.bzl.
"""

import os
from pathlib import Path

import pytest

from bazel.model.levels import levels

PROGRAM = levels.Program(
    name=os.environ["TEST_TARGET"],
    start=Path(os.environ["TRAINER"]).absolute(),
    main=Path(os.environ["MAIN"]).absolute(),
    arguments=os.environ["TRAINER_ARGS"].split(),
)
CPUS = os.environ["CPUS"].split()
Digests = dict[str, str]


def train(name: str, out: Path) -> Digests:
    """Trains at the level of that name; a level that this machine cannot show is skipped."""
    try:
        return levels.train(PROGRAM, levels.level(name), out)
    except levels.NotShownError as reason:
        pytest.skip(f"{name} cannot be shown here: {reason}")


@pytest.fixture(scope="module", name="here")
def trained_here(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    """The digests of a plain run."""
    return train(levels.NATIVE, tmp_path_factory.mktemp("here") / "out")


def test_files_of_a_model(here: Digests) -> None:
    assert here.keys() >= {"metadata.json", "model.pdiparams"}
    assert here.keys() & {"model.pdmodel", "model.json"}  # of Paddle 2, of Paddle 3


@pytest.mark.parametrize("name", [*levels.SURROUNDINGS, *CPUS])
def test_same_files(name: str, tmp_path: Path, here: Digests) -> None:
    assert train(name, tmp_path / "out") == here
