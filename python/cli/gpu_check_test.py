"""`train gpu-check` says what the server's says; //cc/engine:gpu_report_test has all cases."""

import paddle_engine
import pytest
from click.testing import CliRunner

from cli import gpu_check


def test_paddle_for_cpus_is_told() -> None:
    done = CliRunner().invoke(gpu_check.gpu_check)
    assert done.exit_code == 4
    assert done.output.startswith("engine: Paddle 2.6.2, built without CUDA\ndriver: ")
    assert "use the image inference_gpu or train_gpu; models run on the CPU\n" in done.output


def test_a_trial_runs_paddle_and_tells_what_fails() -> None:
    """Here Paddle is the one for CPUs, so no GPU can be had of it."""
    with pytest.raises(paddle_engine.EngineError, match=r"(?i)gpu"):
        gpu_check.try_gpu(0)


def test_what_cannot_be_said_ends_it() -> None:
    """An error of the caller's is the caller's."""

    def broken(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError, match="engine: Paddle"):
        paddle_engine.report_gpus(gpu_check.try_gpu, broken)
