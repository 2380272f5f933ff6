"""The commands of images find their programs, and tell of them without loading Paddle."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import programs, train

SLIM = str(Path(os.environ["SLIM"]).absolute())
TRAIN = str(Path(os.environ["TRAIN"]).absolute())


def test_help_names_every_program_and_loads_no_paddle() -> None:
    code = (
        "import sys\nfrom cli.train import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print('paddle' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "\n  digits       Trains a small convolutional network" in done.stdout
    for name in train.PROGRAMS:
        assert f"\n  {name} " in done.stdout
    assert done.stdout.endswith("False\n")


def test_without_a_program_it_says_how_to_go_on() -> None:
    done = CliRunner().invoke(train.main, [])
    assert done.exit_code == 0
    assert "How to go on:" in done.output


def test_slim_finds_its_programs() -> None:
    done = subprocess.run([SLIM, "quantize", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: slim quantize [OPTIONS] TASK" in done.stdout


def test_an_unknown_program_is_a_usage_error() -> None:
    done = CliRunner().invoke(train.main, ["letters"])
    assert done.exit_code == 2
    assert "No such command 'letters'" in done.output


def test_it_trains(tmp_path: Path) -> None:
    subprocess.run([TRAIN, "digits", "--steps=2", f"--out={tmp_path}/out"], check=True)
    assert (tmp_path / "out/model.pdiparams").exists()


def test_a_relative_folder_is_where_the_user_stands(tmp_path: Path) -> None:
    environment = os.environ | {"BUILD_WORKING_DIRECTORY": str(tmp_path)}
    subprocess.run([TRAIN, "digits", "--steps=2", "--out=out"], env=environment, check=True)
    assert (tmp_path / "out/model.pdiparams").exists()


def test_volumes_of_an_image_are_where_models_and_logs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAIN_MODELS", raising=False)
    assert train.defaults()["digits"] == {}
    monkeypatch.setenv("TRAIN_MODELS", "/models")
    monkeypatch.setenv("TRAIN_LOGS", "/logs")
    assert train.defaults()["digits"] == {"out": "/models/digits/1", "log": "/logs/digits"}


def test_a_home_that_cannot_be_written_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    programs.need_home()
    assert os.environ["HOME"] == str(tmp_path)
    monkeypatch.setenv("HOME", "/nowhere")
    programs.need_home()
    assert os.access(os.environ["HOME"], os.W_OK)
    assert "HOME=/nowhere cannot be written" in capsys.readouterr().err


def test_where_jupyter_is_not_it_says_where_it_is() -> None:
    done = CliRunner().invoke(train.main, ["notebook"])
    assert done.exit_code == 1
    assert "it is in the image `train`" in done.output
