"""paddle_model's checks: a model that must not ship stops the build and says why."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
import subprocess
from pathlib import Path

import pytest

from paddle_images import runtime

runtime.start(0)
import paddle
from paddle.static import InputSpec

FINISH = Path(os.environ["FINISH"]).resolve()


@pytest.fixture(name="raw")
def trained(tmp_path: Path) -> Path:
    """What a program that has never heard of this project leaves behind."""
    net = paddle.nn.Linear(4, 2)
    net.eval()
    spec = [InputSpec([None, 4], "float32", "x")]
    paddle.jit.save(net, str(tmp_path / "raw" / "model"), input_spec=spec)
    (tmp_path / "raw" / "metadata.json").write_text('{"metrics": {"accuracy": 0.961}}')
    return tmp_path / "raw"


def finish(raw: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as the rule does."""
    command = [
        str(FINISH),
        "--label=//x:m",
        "--name=m",
        f"--raw={raw}",
        f"--out={raw.parent}/m",
    ]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def test_a_good_model_passes(raw: Path) -> None:
    done = finish(raw, "--require=accuracy=0.96", "--setting=MKL_CBWR=COMPATIBLE")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    out = raw.parent / "m"
    assert sorted(p.name for p in out.iterdir()) == [
        "metadata.json",
        "model.pdiparams",
        "model.pdmodel",
    ]
    metadata = json.loads((out / "metadata.json").read_text())
    assert metadata["name"] == "m"
    assert metadata["metrics"] == {"accuracy": 0.961}
    assert metadata["settings"] == {"MKL_CBWR": "COMPATIBLE"}
    assert b"op_callstack" not in (out / "model.pdmodel").read_bytes()


def test_below_the_requirement_says_by_how_much(raw: Path) -> None:
    done = finish(raw, "--require=accuracy=0.97")
    assert done.returncode == 1
    assert "//x:m: accuracy is 0.961, 0.009 below the 0.97" in done.stderr
    assert 'require = {"accuracy": 0.97}' in done.stderr
    assert "Train longer" in done.stderr


def test_above_the_requirement_says_by_how_much(raw: Path) -> None:
    (raw / "metadata.json").write_text('{"metrics": {"size": 0.31, "accuracy": 0.98}}')
    done = finish(raw, "--require=size=<= 0.3", "--require=accuracy=>= 0.97")
    assert done.returncode == 1
    assert (
        '//x:m: size is 0.31, 0.01 above the 0.3 that require = {"size": "<= 0.3"}' in done.stderr
    )
    assert "accuracy" not in done.stderr
    assert finish(raw, "--require=size=<=0.31", "--require=accuracy=.98").returncode == 0


def test_a_bound_that_is_none(raw: Path) -> None:
    done = finish(raw, "--require=accuracy=> 0.97")
    assert done.returncode == 1
    assert 'require = {"accuracy": "> 0.97"} is no bound: write' in done.stderr


def test_a_metric_that_was_not_measured(raw: Path) -> None:
    done = finish(raw, "--require=recall=0.5")
    assert done.returncode == 1
    assert "recall must be at least 0.5" in done.stderr
    assert "it has: accuracy" in done.stderr


@pytest.mark.parametrize("bound", [">= 0.97", "<= 0.97"])
def test_not_a_number_is_neither(raw: Path, bound: str) -> None:
    (raw / "metadata.json").write_text('{"metrics": {"accuracy": NaN}}')
    done = finish(raw, f"--require=accuracy={bound}")
    assert done.returncode == 1
    assert "accuracy is nan" in done.stderr


def test_a_path_of_the_build_stops_it(raw: Path) -> None:
    (raw / "metadata.json").write_text('{"settings": {"data": "/srv/shared/data/x.csv"}}')
    done = finish(raw)
    assert done.returncode == 1
    assert "tells where it was built" in done.stderr
    assert "metadata.json: /srv/shared/data/x.csv" in done.stderr


def test_nothing_trained(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    done = finish(tmp_path / "raw")
    assert done.returncode == 1
    assert done.stderr == "//x:m: the trainer wrote no model.pdmodel; it wrote: nothing\n"


def test_metadata_that_is_no_json(raw: Path) -> None:
    (raw / "metadata.json").write_text("accuracy 0.98")
    done = finish(raw)
    assert done.returncode == 1
    assert "metadata.json" in done.stderr
    assert "Traceback" not in done.stderr
