"""The deterministic settings are in force when paddle computes, or the program says why not."""

import os
import random
import subprocess
import sys

import pytest

from paddle_training import runtime


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a Python of its own, without the settings of this one."""
    kept = {k: v for k, v in os.environ.items() if k not in runtime.DETERMINISTIC_ENVIRONMENT}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_settings_are_made_before_paddle_is_imported() -> None:
    done = run(
        "import os, sys\n"
        "from paddle_training import runtime\n"
        "assert 'paddle' not in sys.modules\n"
        "runtime.start(0)\n"
        "print(os.environ['MKL_CBWR'], os.environ['OMP_NUM_THREADS'], runtime.is_deterministic())"
    )
    assert done.stdout.split() == ["COMPATIBLE", "1", "True"], done.stderr


def test_too_late_is_an_error_that_says_what_to_do() -> None:
    done = run("import paddle\nfrom paddle_training import runtime\nruntime.start(0)")
    assert done.returncode == 1
    assert "MKL_CBWR must be set before paddle is imported" in done.stderr
    assert "call runtime.start first" in done.stderr


def test_seeds_make_random_numbers_equal() -> None:
    program = (
        "from paddle_training import runtime\n"
        "runtime.start({seed}, fast={fast})\n"
        "import paddle, numpy, random\n"
        "print(paddle.rand([2]).numpy().tobytes(), numpy.random.rand(), random.random())\n"
    )
    first = run(program.format(seed=7, fast=False))
    assert first.stdout == run(program.format(seed=7, fast=True)).stdout != ""
    assert first.stdout != run(program.format(seed=8, fast=False)).stdout


def test_fast_leaves_the_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKL_CBWR", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    runtime.start(0, fast=True)
    assert not runtime.is_deterministic()
    assert runtime.settings() == {"OMP_NUM_THREADS": "2"}


def test_each_process_draws_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> float:
        runtime.seed_step(7, 3)
        return random.random()

    alone = drawn()
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    assert drawn() == alone
    monkeypatch.setenv("PADDLE_TRAINER_ID", "1")
    assert drawn() != alone
