"""Several processes train what one does; started in any way, killed or not, to the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bazel.image.base import namespaces
from digits import train, two_machines

TRAINER = str(Path(os.environ["TRAINER"]).absolute())
TOOLS = {name: str(Path(os.environ[name]).absolute()) for name in ("IP", "UNSHARE")}
PROGRAM = train.__file__
STEPS = 40
# Sums in another order: 9e-7 was measured for the loss, which is 2.3 at first and 0.1 at last.
LOSS_TOLERANCE = 1e-5
# From a kill to the end of all: 4 s were measured on two busy cores. The launcher looks every
# second, and gives the others four seconds to end by themselves.
END_SECONDS = 60
# Seconds, of 300 by default; enough for both to start where other tests run.
LOST_AFTER = 20
namespaces.require(Path(os.environ["TEST_TMPDIR"]))
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@dataclass
class Trained:
    """What a run told and left."""

    records: list[dict[str, Any]]
    files: dict[str, bytes]
    errors: str

    @property
    def loss(self) -> list[float]:
        return [record["loss"] for record in self.records if "loss" in record]


def arguments(place: Path) -> list[str]:
    """Of a batch of 33 two processes have unequal shares."""
    return [f"--steps={STEPS}", "--batch-size=33", "--log-every=1", f"--out={place}/out"]


def run(place: Path, command: list[str]) -> Trained:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert processes(place) == {}
    return Trained(parse(done.stdout), files(place), done.stderr)


def parse(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def files(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (place / "out").iterdir()}


def processes(place: Path) -> dict[int, str]:
    """Those with this place in their arguments: number -> PADDLE_TRAINER_ID, or ""."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(place).encode() not in (folder / "cmdline").read_bytes():
                continue
            variables = (folder / "environ").read_bytes().decode().split("\0")
        except OSError:  # it has ended
            continue
        known = dict(variable.partition("=")[::2] for variable in variables)
        found[int(folder.name)] = known.get("PADDLE_TRAINER_ID", "")
    return found


@pytest.fixture(scope="module", name="alone")
def trained_by_one_process(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("alone")
    return run(place, [TRAINER, *arguments(place)])


@pytest.fixture(scope="module", name="together")
def trained_by_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("together")
    more = ["--processes=2", "--samples", f"{place}/samples", "--log", f"{place}/log"]
    trained = run(place, [TRAINER, *arguments(place), *more])
    assert (place / "samples" / "request.json").is_file()
    assert len(list((place / "log").iterdir())) == 1  # TensorBoard's file of the first process
    return trained


def test_two_processes_have_the_loss_curve_of_one(alone: Trained, together: Trained) -> None:
    assert len(alone.loss) == STEPS
    assert together.loss == pytest.approx(alone.loss, rel=LOSS_TOLERANCE, abs=0)
    assert together.loss != alone.loss  # the sums are others: two processes did compute
    settings = json.loads(together.files["metadata.json"])["settings"]
    assert settings["PADDLE_TRAINERS_NUM"] == "2"


def test_all_processes_end_with_equal_parameters(together: Trained) -> None:
    (told,) = (record["parameters"] for record in together.records if "parameters" in record)
    assert len(told) == 2
    assert told[0] == told[1]
    assert told[0].startswith("sha256:")


def test_the_first_process_alone_tells_and_writes(alone: Trained, together: Trained) -> None:
    assert [record["step"] for record in together.records] == [*range(1, STEPS + 1), STEPS, STEPS]
    assert "accuracy" in together.records[-1]
    assert together.files.keys() == alone.files.keys()
    assert together.errors.count("step 1/40") == 1


def test_the_launcher_of_paddle_gives_the_same_bits(tmp_path: Path, together: Trained) -> None:
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node=2"]
    launcher += ["--backend=gloo", f"--log_dir={tmp_path}/logs"]
    launched = run(tmp_path, [*launcher, PROGRAM, *arguments(tmp_path)])
    assert launched.files == together.files
    told = parse((tmp_path / "logs" / "workerlog.0").read_text())
    assert [record["loss"] for record in told if "loss" in record] == together.loss


def test_two_machines_give_the_same_bits(tmp_path: Path, together: Trained) -> None:
    namespaces = [TOOLS["UNSHARE"], "--user", "--map-root-user", "--net"]
    allowed = subprocess.run([*namespaces, "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"the kernel allows no user and network namespaces: {allowed.stderr.strip()}")
    machines = [*namespaces, sys.executable, two_machines.__file__, TOOLS["IP"], TOOLS["UNSHARE"]]
    trained = run(tmp_path, [*machines, TRAINER, *arguments(tmp_path)])
    assert trained.files == together.files
    assert trained.loss == together.loss
    assert all(f"{host}:6070" in trained.errors for host in two_machines.HOSTS)


@contextmanager
def training(place: Path, until: int, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Two processes with checkpoints, once they told of step `until`."""
    command = [TRAINER, *arguments(place), "--processes=2"]
    command += [f"--checkpoint={place}/checkpoints", "--checkpoint-every=4"]
    with (
        (place / "errors").open("w") as errors,
        subprocess.Popen(
            command, env=ENVIRONMENT | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as trainer,
    ):
        assert trainer.stdout
        for line in trainer.stdout:
            if json.loads(line)["step"] >= until:
                break
        yield trainer


def signal_process(place: Path, rank: str, number: int) -> None:
    (pid,) = (pid for pid, its_rank in processes(place).items() if its_rank == rank)
    os.kill(pid, number)


def wait_for_the_end(place: Path, trainer: "subprocess.Popen[str]", seconds: float) -> None:
    assert trainer.stdout
    last = time.monotonic() + seconds
    trainer.stdout.read()
    trainer.wait()
    assert time.monotonic() < last
    assert processes(place) == {}


def test_killed_and_silent_processes_end_the_job_which_goes_on(
    tmp_path: Path, together: Trained
) -> None:
    with training(tmp_path, until=5) as trainer:
        signal_process(tmp_path, "1", signal.SIGKILL)
        wait_for_the_end(tmp_path, trainer, END_SECONDS)
    assert trainer.returncode == 1
    errors = (tmp_path / "errors").read_text()
    assert "process 0 of 2 lost another one" in errors
    assert "process 1 was killed by SIGKILL, so the training has ended" in errors
    assert "Traceback" not in errors

    with training(tmp_path, until=10, PADDLE_IMAGES_LOST_AFTER=str(LOST_AFTER)) as trainer:
        signal_process(tmp_path, "1", signal.SIGSTOP)
        wait_for_the_end(tmp_path, trainer, LOST_AFTER + END_SECONDS)
    assert trainer.returncode == 75
    errors = (tmp_path / "errors").read_text()
    assert f"process 0 of 2 waited {LOST_AFTER} s for another one, which says nothing" in errors

    with training(tmp_path, until=11) as trainer:
        wait_for_the_end(tmp_path, trainer, 120)
    assert trainer.returncode == 0
    assert files(tmp_path) == together.files
