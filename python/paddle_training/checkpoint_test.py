"""A checkpoint outlives a kill -9 at any moment of its writing, and never lies."""

import itertools
import os
import resource
import signal
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paddle_training.checkpoint import Checkpoint, CheckpointError, Checkpoints

STEPS = 4


def make(step: int) -> Checkpoint:
    """Something else for each step."""
    weights = np.random.RandomState(step).rand(50, 20).astype(np.float32)
    return Checkpoint(step, {"network/w": weights}, {"loss": 1 / step})


def load(directory: Path) -> int:
    """The step of the checkpoint that a new process would take; 0: none. It is a whole one."""
    loaded = Checkpoints(directory, {}).load(STEPS)
    if loaded is None:
        return 0
    made = make(loaded.step)
    assert loaded.values == made.values
    assert loaded.arrays.keys() == made.arrays.keys()
    assert np.array_equal(loaded.arrays["network/w"], made.arrays["network/w"])
    return loaded.step


def in_a_process(work: Callable[[], None]) -> int:
    """Its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def save(directory: Path, *steps: int) -> None:
    """Saves a checkpoint for each of the steps."""
    checkpoints = Checkpoints(directory, {})
    for step in steps:
        checkpoints.save(make(step))


def killed_at(moment: int, directory: Path, told: Path) -> bool:
    """Saves STEPS checkpoints; dies at the given touch of the directory, or returns False."""

    def work() -> None:
        moments = itertools.count(1)

        def die_in_time() -> None:
            if next(moments) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        # The interpreter tells of each open, rename, list and remove before it is done.
        sys.addaudithook(lambda _, args: die_in_time() if str(directory) in str(args) else None)
        fsync = os.fsync

        def die_half_written(file: int) -> None:
            status = os.fstat(file)
            if stat.S_ISREG(status.st_mode) and next(moments) == moment:
                os.ftruncate(file, status.st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(file)

        os.fsync = die_half_written  # type: ignore[assignment]
        checkpoints = Checkpoints(directory, {})
        for step in range(1, STEPS + 1):
            checkpoints.save(make(step))
            told.write_text(str(step))

    status = in_a_process(work)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return status != 0


def test_a_kill_at_any_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    halves = 0
    for moment in itertools.count(1):
        directory, told = tmp_path / str(moment), tmp_path / f"told {moment}"
        told.write_text("0")
        if not killed_at(moment, directory, told):
            break
        halves += any(0 < p.stat().st_size < 4000 for p in directory.glob("*.unfinished"))
        # What was saved is there; a kill between rename and return may leave one more.
        if directory.exists():
            assert load(directory) - int(told.read_text()) in (0, 1)
            assert not list(directory.glob("*.unfinished"))
    assert moment > 5 * STEPS
    assert halves == STEPS
    assert capsys.readouterr().err == ""  # none of them was damaged


def test_a_full_disk_is_told_and_costs_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        checkpoints = Checkpoints(tmp_path, {})
        checkpoints.save(make(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        with pytest.raises(CheckpointError, match=r"0002\.checkpoint: cannot be written: File too"):
            checkpoints.save(make(2))

    assert in_a_process(fill) == 0
    assert load(tmp_path) == 1


def test_the_newest_two_stay(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3, 4)
    assert sorted(p.name for p in tmp_path.glob("step-*")) == [
        "step-0000000003.checkpoint",
        "step-0000000004.checkpoint",
    ]


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "longer"])
def test_damage_is_named_and_the_one_before_taken(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_process(lambda: save(tmp_path, 1, 2))
    newest = tmp_path / "step-0000000002.checkpoint"
    data = newest.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    changed = {"empty": b"", "short": data[:-1], "flipped": bytes(flipped), "longer": data + b"\0"}
    newest.write_bytes(changed[damage])
    assert load(tmp_path) == 1
    assert f"{newest}: damaged" in capsys.readouterr().err
    assert newest.with_suffix(".damaged").exists()


def test_no_sound_one_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "step-0000000001.checkpoint").write_bytes(b"no checkpoint")
    assert load(tmp_path) == 0
    assert "step-0000000001.checkpoint: damaged" in capsys.readouterr().err


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path, {})
    with pytest.raises(CheckpointError, match=r"another process.*--checkpoint"):
        Checkpoints(tmp_path, {})
    del first
    Checkpoints(tmp_path, {})


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    in_a_process(lambda: Checkpoints(tmp_path, {"batch_size": 32, "a": 1}).save(make(3)))
    with pytest.raises(CheckpointError) as refused:
        Checkpoints(tmp_path, {"batch_size": 16, "text": "x" * 99}).load(2)
    assert refused.value.message == (
        f"{tmp_path}/step-0000000003.checkpoint is a checkpoint of another run: batch_size is 32 "
        "there and 16 here; text is another; a is 1 there and None here; it is at step 3, and 2 "
        "steps are asked for. Repeat that run's options, or give this run a --checkpoint folder of "
        "its own."
    )
