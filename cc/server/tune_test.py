"""`tune` compares the bits of settings; the server and `predict` compute as it has written."""

import ctypes
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cc.server.digits import DIGITS, INFER, REQUEST
from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import program, run, serving, until

FILE = "serving.yaml"
SHORT = ["--seconds=0.06", "--concurrency=4", "--threads=1", "--instances=1"]


def tune(*arguments: str | Path, **options: Any) -> Any:
    """As `run`, for as long as many loads of a model may take."""
    command = [*program(), "tune", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, **options)


def obey_modes() -> None:
    """Root goes beyond the modes of files by CAP_DAC_OVERRIDE, which goes at the next exec."""
    if os.geteuid() == 0:
        drop, dac_override = 24, 1  # PR_CAPBSET_DROP of prctl(2), capabilities(7)
        assert ctypes.CDLL(None).prctl(drop, dac_override, 0, 0, 0) == 0


def table(printed: str) -> list[dict[str, str]]:
    """The lines of the table, by the names of its columns."""
    head, *lines = printed.partition("\n\n")[0].splitlines()
    names = re.split(r"\s{2,}", head.strip())
    return [dict(zip(names, re.split(r"\s{2,}", line.strip()), strict=True)) for line in lines]


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A version of digits in a repository that can be written."""
    version = tmp_path / "models" / "digits" / "1"
    shutil.copytree(DIGITS, version, copy_function=shutil.copyfile)
    version.chmod(0o755)
    return version


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    file = tmp_path / "request.json"
    file.write_text(REQUEST)
    return file


def outputs(answer: str | bytes) -> Any:
    return [output["data"] for output in json.loads(answer)["outputs"]]


def predicted(model: Path, asked: Path, *flags: str) -> Any:
    done = run("predict", f"--model={model}", f"--input={asked}", *flags)
    assert done.returncode == 0, done.stderr
    return outputs(done.stdout)


def test_each_setting_has_its_speed_and_its_bits(digits: Path) -> None:
    # The directory of the model's versions will do, as an image has it.
    done = tune(digits.parent, *SHORT, "--rows=1,8")
    assert done.returncode == 0, done.stderr
    lines = table(done.stdout)
    now = [line for line in lines if line["setting"] == "now"]
    assert [line["rows"] for line in now] == ["1", "8"]
    assert {(line["batching"], line["bits"]) for line in now} == {("auto:32", "equal")}
    settings = {(line["cpu_engine"], line["batching"] != "off") for line in lines}
    assert settings == {(e, b) for e in ("onednn", "plain") for b in (True, False)}
    for line in lines:
        assert float(line["inferences/s"]) > 0
        assert float(line["p50 ms"]) <= float(line["p99 ms"])
        assert float(line["CPU us"]) > 0
        assert float(line["memory MB"]) > 1
        assert line["buckets"].startswith(("equal", "differ"))
    assert "\nfastest with the same bits: " in done.stdout
    assert "nothing was written" in done.stdout
    assert "round 3 of 3, setting 4 of 4" in done.stderr
    assert not (digits / FILE).exists()


def test_bits_are_told_as_they_are(digits: Path, asked: Path) -> None:
    onednn = predicted(digits, asked, "--cpu_engine=onednn")
    plain = predicted(digits, asked, "--cpu_engine=plain")
    rows = json.loads(REQUEST)["inputs"][0]["shape"][0]
    done = tune(digits, *SHORT, "--max_batch_rows=1", f"--input={asked}", f"--rows={rows}")
    assert done.returncode == 0, done.stderr
    bits = {line["cpu_engine"]: line["bits"] for line in table(done.stdout)}
    assert bits["onednn"] == "equal"
    assert (bits["plain"] == "equal") == (plain == onednn)


def test_the_server_computes_as_it_was_written(digits: Path, asked: Path) -> None:
    plain = predicted(digits, asked, "--cpu_engine=plain")
    assert plain != predicted(digits, asked)
    (digits / FILE).write_text("cpu_engine: plain\n")
    # Whichever is the fastest, the bits are those of now.
    done = tune(digits, *SHORT, "--write", f"--input={asked}")
    assert done.returncode == 0, done.stderr
    written = yaml.load((digits / FILE).read_text(), yaml.BaseLoader)
    assert (
        f"written to {digits}/{FILE}: cpu_engine {written['cpu_engine']}, threads 1" in done.stdout
    )
    assert predicted(digits, asked) == plain
    with serving(f"--model_repository={digits.parent.parent}", "--threads=2") as server:
        (line,) = server.logged("model loaded")
        told = {name: str(line[name]) for name in ("cpu_engine", "threads", "instances")}
        assert told.items() <= written.items()
        assert outputs(server.call("POST", INFER, REQUEST)[2]) == plain


def test_other_bits_are_written_only_where_that_is_allowed(digits: Path) -> None:
    (digits / FILE).write_text("cpu_engine: plain\n")
    done = tune(digits, *SHORT, "--write", "--allow_other_bits")
    assert done.returncode == 0, done.stderr
    faster = "\nfaster, but answers " in done.stdout
    assert ("have the same bits" in (digits / FILE).read_text()) == (not faster)
    done = tune(digits, "--allow_other_bits")
    assert (done.returncode, done.stdout) == (2, "")


def test_models_of_one_repository_have_their_own_settings(tmp_path: Path) -> None:
    models = Repository(tmp_path, a="times1", b="times2")
    (models.root / "a" / "1" / FILE).write_text("instances: 3\nbatching: off\n")
    with serving(models.flag, "--instances=2", "--poll_ms=50") as server:
        (a,) = server.logged("model loaded", model="a")
        (b,) = server.logged("model loaded", model="b")
        assert (a["instances"], a["batching"]) == (3, False)
        assert (b["instances"], b["batching"]) == (2, True)
        # A change is a new version of the model's files.
        (models.root / "b" / "1" / FILE).write_text("instances: 1\n")
        until(lambda: server.logged("model loaded", model="b", instances=1))
        status, _, answer = server.call("POST", infer("b"), request(ROWS))
        assert (status, data(answer)) == (200, (2 * ROWS).ravel().tolist())
        # A wrong one leaves the old one in its place.
        file = models.root / "b" / "1" / FILE
        file.write_text("instances: 1\nthread: 2\n")
        (line,) = until(lambda: server.logged("model failed to load", model="b"))
        assert f"{file}:2: thread is not known; the nearest name is threads" in line["error"]
        assert server.call("POST", infer("b"), request(ROWS))[0] == 200


def test_sizes_that_are_open_are_asked_for(tmp_path: Path) -> None:
    models = Repository(tmp_path, wide="wide")
    few = [*SHORT, "--cpu_engine=onednn", "--max_batch_rows=4"]
    done = tune(models.root / "wide", *few)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--shape=x=-1,16" in done.stderr
    done = tune(models.root / "wide", *few, "--shape=x=-1,5", "--rows=2")
    assert done.returncode == 0, done.stderr
    assert {line["rows"] for line in table(done.stdout)} == {"2"}


def test_values_lie_within_the_models_tables(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="embedding")
    done = tune(models.root / "m", *SHORT, "--cpu_engine=onednn", "--max_batch_rows=1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("network", "flags", "error"),
    [
        ("thirds", [], "does not run as it is now"),
        ("rounds", ["--rows=2"], "--rows has nothing to count"),
        ("times1", ["--shape=x=3"], "does not fit the input's shape -1,4"),
        ("times1", ["--input=/nowhere"], "cannot read /nowhere"),
    ],
)
def test_what_cannot_be_measured_is_told(
    tmp_path: Path, network: str, flags: list[str], error: str
) -> None:
    models = Repository(tmp_path, m=network)
    done = tune(models.root / "m", *SHORT, *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert error in done.stderr


def test_directories_without_a_model_or_room_are_told(tmp_path: Path) -> None:
    models = Repository(tmp_path, a="times1", b="times2")
    (tmp_path / "empty").mkdir()
    done = tune(tmp_path / "empty")
    assert done.returncode == 1
    assert "no model in" in done.stderr
    done = tune(models.root)
    assert done.returncode == 1
    assert f"give one of them, as {models.root}/a" in done.stderr
    done = tune(models.root / "a", "--config=/nowhere.yaml")
    assert done.returncode == 1
    assert "/nowhere.yaml" in done.stderr
    directory = models.root / "a" / "1"
    directory.chmod(0o555)
    done = tune(models.root / "a", "--write", preexec_fn=obey_modes)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot write {directory}/{FILE}: Permission denied" in done.stderr
    assert "round 1" not in done.stderr  # it is told before anything is measured
