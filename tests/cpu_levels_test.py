"""cpu_levels is green as things are, and red as soon as one of the settings is taken away."""

import os
import re
import subprocess

import pytest

from bazel.model.levels import levels


def cpu_levels(*arguments: str) -> tuple[int, str]:
    """Exit status and stdout of the real command."""
    command = [os.environ["CPU_LEVELS"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


def test_green() -> None:
    status, output = cpu_levels("--program=digits", "--level=haswell", "--level=zen2")
    assert "2 equal, 0 different" in output
    assert status == 0


def test_red_without_one_sgemm_for_all() -> None:
    """Whatever this machine is: it is not both of Intel and AMD."""
    status, output = cpu_levels(
        "--program=digits", "--level=haswell", "--level=zen2", "--without=MKL_CBWR"
    )
    assert "DIFFERENT: metadata.json, model.pdiparams" in output
    assert status == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="MKL takes no second thread here")
def test_red_without_one_thread() -> None:
    status, output = cpu_levels(
        "--program=long_sums", "--level=four-threads", "--without=OMP_NUM_THREADS"
    )
    assert "0 equal, 1 different" in output
    assert status == 1


def test_red_with_batch_norm() -> None:
    """Emulated: RSQRTPS is exact there, and approximate in all silicon."""
    status, output = cpu_levels("--program=digits", "--level=haswell/qemu", "--without=GroupNorm")
    assert "0 equal, 1 different" in output
    assert status == 1


def test_red_with_adam() -> None:
    try:
        levels.level("skylake-server")
    except levels.NotShownError as reason:
        pytest.skip(f"Adam's bits differ with AVX-512, which cannot be taken away here: {reason}")
    status, output = cpu_levels("--program=digits", "--level=haswell", "--without=Momentum")
    assert "0 equal, 1 different" in output
    assert status == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--level=z80"], "There is no level z80: take one of native, "),
        (["--program=nothing"], "There is no nothing: take one of chinese_ocr, digits, "),
        (["--inference", "--steps=3"], "--inference trains nothing: drop --without and --steps."),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: list[str], sentence: str) -> None:
    command = [os.environ["CPU_LEVELS"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_s_setting_gives_the_same_answers() -> None:
    status, output = cpu_levels("--inference", "--program=simple_cnn", "--level=zen2", "--rounds=1")
    for engine in ("oneDNN, AVX2, COMPATIBLE", "plain, COMPATIBLE"):
        assert re.search(rf"  {engine} .* the same bits everywhere\n", output)
    assert status == 0
