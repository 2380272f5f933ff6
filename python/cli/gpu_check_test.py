"""gpu-check says what is here of GPUs, and ends with a code of its own for each case."""

import os

import pytest
from click.testing import CliRunner

from cli import gpu_check
from cli.gpu_check import Driver, DriverError

DRIVER = os.path.abspath(os.environ["DRIVER"])  # noqa: PTH100


def checked(trouble: str = "") -> tuple[int, str]:
    """The exit code and what is said, where devices try as told."""
    lines: list[str] = []
    code = gpu_check.check_devices(Driver(DRIVER), lines.append, lambda _: trouble)
    return code, "\n".join(lines)


def test_devices_that_work_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_DEVICES", "86,75")
    code, text = checked()
    assert code == 0
    assert "driver    for CUDA 11.8" in text
    assert "GPU 0     Test GPU, compute capability 8.6, 24 GB" in text
    assert "GPU 1     Test GPU, compute capability 7.5" in text
    assert "all 2 devices work" in text


def test_a_device_without_code_for_it_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_DEVICES", "80,90")
    code, text = checked()
    assert code == 5
    assert "only for compute capability 6.1, 7.0, 7.5, 8.0, 8.6" in text
    assert "1 of 2 devices do not work" in text


def test_a_device_that_computes_wrong_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_DEVICES", "80")
    code, text = checked("its results differ")
    assert code == 5
    assert "its results differ" in text


@pytest.mark.parametrize(
    ("capability", "runs"),
    [
        ((6, 0), False),
        ((6, 1), True),
        ((7, 2), True),
        ((8, 9), True),
        ((9, 0), False),
        ((5, 2), False),
    ],
)
def test_machine_code_runs_on_its_major_version_only(
    capability: tuple[int, int], runs: bool
) -> None:
    assert gpu_check.has_code(capability) == runs


def test_an_old_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_VERSION", "10020")
    monkeypatch.setenv("FAKE_CUDA_DEVICES", "75")
    code, text = checked()
    assert code == 5
    assert "for CUDA 10.2" in text
    assert "450.80.02 or newer" in text


def test_no_device_is_told_with_how_to_mend_it() -> None:
    code, text = checked()
    assert code == 3
    assert "--gpus all" in text


def test_no_driver_is_told_with_how_to_mend_it() -> None:
    with pytest.raises(DriverError, match=r"no driver: .*libnothere.*--gpus all") as caught:
        Driver("libnothere.so.1")
    assert caught.value.code == 3


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (100, 3, "no device"),
        (803, 5, "different versions"),
        (999, 5, "does not start: CUDA error 999"),
    ],
)
def test_a_driver_that_does_not_start_is_told(
    monkeypatch: pytest.MonkeyPatch, error: int, code: int, text: str
) -> None:
    monkeypatch.setenv("FAKE_CUDA_INIT", str(error))
    with pytest.raises(DriverError, match=text) as caught:
        Driver(DRIVER)
    assert caught.value.code == code


def test_a_trial_runs_paddle_and_tells_what_fails() -> None:
    """Here Paddle is the one for CPUs, so no GPU can be had of it."""
    assert "gpu" in gpu_check.try_device(0).lower()


def test_paddle_for_cpus_is_told() -> None:
    done = CliRunner().invoke(gpu_check.gpu_check)
    assert done.exit_code == 4
    assert "for CPUs only. The image `train_gpu`" in done.output
