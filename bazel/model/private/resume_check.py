"""Killed by SIGKILL again and again, the training ends with the bits of one that was not.

See paddle_resume_test in //bazel/model:defs.bzl.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from paddle_training.training import Run

TRAINER = str(Path(os.environ["TRAINER"]).absolute())
ARGUMENTS = os.environ["TRAINER_ARGS"].split()
STEPS, EVERY = int(os.environ["STEPS"]), int(os.environ["EVERY"])

# Dies between the writing of its second checkpoint and that checkpoint's rename.
DIES_WHILE_WRITING = f"""
import importlib, itertools, os, signal, sys
renames = itertools.count(1)
def hook(event, args):
    if event == "os.rename" and str(args[1]).endswith(".checkpoint") and next(renames) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
importlib.import_module({os.environ["MODULE"]!r}).main()
"""


def arguments(place: Path) -> list[str]:
    """As a person would write them, but for the many checkpoints and log lines."""
    return [
        *ARGUMENTS,
        f"--steps={STEPS}",
        "--log-every=1",
        f"--checkpoint-every={EVERY}",
        f"--out={place}/out",
        f"--samples={place}/samples",
        f"--checkpoint={place}/checkpoints",
        f"--log={place}/logs",
    ]


def killed_after(step: int, delay: float, place: Path) -> list[dict[str, Any]]:
    """Kills the program a moment after it told of a step; returns what it told."""
    with subprocess.Popen([TRAINER, *arguments(place)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        records = []
        for line in run.stdout:
            records.append(json.loads(line))
            if records[-1]["step"] == step:
                break
        time.sleep(delay)
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        return records


def files(place: Path) -> dict[str, bytes]:
    """The model and the samples, which hold the network's outputs."""
    return {
        str(file.relative_to(place)): file.read_bytes()
        for folder in ("out", "samples")
        for file in (place / folder).iterdir()
    }


def checkpoints(place: Path) -> list[int]:
    """The steps of those that are complete."""
    return sorted(int(p.stem[5:]) for p in (place / "checkpoints").glob("step-*.checkpoint"))


@pytest.fixture(scope="module", name="whole")
def trained_without_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nobody kills."""
    place = tmp_path_factory.mktemp("whole")
    command = [TRAINER, *ARGUMENTS, f"--steps={STEPS}"]
    command += [f"--out={place}/out", f"--samples={place}/samples"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    told = [step for step in range(1, STEPS + 1) if Run(Path()).is_told(step, STEPS)]
    assert [r["step"] for r in records] == [*told, STEPS]
    metrics = json.loads((place / "out/metadata.json").read_text())["metrics"]
    assert {name: round(records[-1][name], 6) for name in metrics} == metrics
    return files(place)


def test_killed_again_and_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    moments = random.Random(0)
    loss = {}
    first = moments.randint(EVERY + 1, STEPS // 3)
    for record in killed_after(first, moments.uniform(0, 0.05), tmp_path):
        loss[record["step"]] = record["loss"]
    assert not list((tmp_path / "out").iterdir())

    before = checkpoints(tmp_path)
    assert before[-1] >= EVERY
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", DIES_WHILE_WRITING, *arguments(tmp_path)]
    killed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert checkpoints(tmp_path)[-1] == before[-1] + EVERY
    assert len(list((tmp_path / "checkpoints").glob("*.unfinished"))) == 1
    for line in killed.stdout.splitlines()[1:]:
        record = json.loads(line)
        # A step that was done before and lost is done again to the same bits.
        assert loss.setdefault(record["step"], record["loss"]) == record["loss"]

    third = moments.randint(STEPS * 2 // 3, STEPS - 1)
    records = killed_after(third, moments.uniform(0, 0.05), tmp_path)
    assert records[0]["resumed"] and records[0]["step"] == before[-1] + EVERY

    subprocess.run([TRAINER, *arguments(tmp_path)], stdout=subprocess.DEVNULL, check=True)
    assert files(tmp_path) == whole
    assert len(list((tmp_path / "logs").iterdir())) == 4
    assert not list((tmp_path / "checkpoints").glob("*.unfinished"))
