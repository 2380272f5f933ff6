"""A relative path is the user's, wherever the program was started."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from paddle_training import paths


@click.command()
@click.option("--model", default=paths.brought_along("MODEL_HERE"), type=paths.UserPath())
@click.argument("images", nargs=-1, type=paths.UserPath(exists=True))
def program(model: Path | None, images: tuple[Path, ...]) -> None:
    for path in (model, *images):
        click.echo(path)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program is started; the user stands beside it."""
    for name in ("start", "user"):
        (tmp_path / name).mkdir()
    (tmp_path / "user/a.png").touch()
    monkeypatch.chdir(tmp_path / "start")
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "user"))
    return tmp_path / "start"


def run(*words: str) -> list[str]:
    done = CliRunner().invoke(program, words)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_it_starts_where_the_user_stands(start: Path) -> None:
    user = start.parent / "user"
    assert run("--model", "out", "a.png") == [f"{user}/out", f"{user}/a.png"]
    assert run("--model", "/out") == ["/out"]


def test_without_bazel_that_is_where_the_program_starts(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUILD_WORKING_DIRECTORY")
    assert run("--model", "out") == ["out"]


def test_what_a_program_brings_along_is_where_it_starts(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run() == [""]
    monkeypatch.setenv("MODEL_HERE", "python/lac")
    assert run() == [f"{start}/python/lac"]
