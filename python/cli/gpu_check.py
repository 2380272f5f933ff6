"""`gpu-check`: says what an image sees of GPUs, and what is missing."""

from __future__ import annotations

import subprocess
import sys

import click

# On the GPU products of matrices may be rounded to TF32: 1 % of the largest number.
_TRIAL = """\
import sys
import warnings
import numpy
import paddle

def run(device):
    paddle.device.set_device(device)
    x, w = (
        paddle.to_tensor(numpy.linspace(-1, 1, numpy.prod(shape)).reshape(shape).astype("float32"))
        for shape in ((2, 3, 16, 16), (8, 3, 3, 3))
    )
    y = paddle.nn.functional.relu(paddle.nn.functional.conv2d(x, w)).flatten(1)
    return (y @ y.T).numpy()

warnings.simplefilter("ignore")
there, here = run(sys.argv[1]), run("cpu")
difference = float(abs(there - here).max() / abs(here).max())
if not difference <= 0.01:
    sys.exit(f"its results differ from the CPU's by {difference} of the largest number")
"""


def try_gpu(number: int) -> str:
    """Convolves and multiplies on a GPU, and tells how it went.

    In a process of its own: where something is amiss with a driver, Paddle ends the process.

    Raises:
        EngineError: it went wrong, and how.
    """
    import paddle_engine

    command = [sys.executable, "-c", _TRIAL, f"gpu:{number}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise paddle_engine.EngineError((lines or [f"exit code {done.returncode}"])[-1])
    return "a convolution and a product there equal the CPU's"


@click.command("gpu-check")
def gpu_check() -> None:
    """Says what there is of GPUs: driver, devices, versions, a tensor on each, or what is missing.

    Exit codes: 0 all GPUs work; 3 no driver, or it sees no GPU (the CPU works); 4 this Paddle is
    built without CUDA; 5 the driver or a GPU is there but does not work; 1 anything else.
    """
    import paddle_engine

    sys.exit(paddle_engine.report_gpus(try_gpu, click.echo))
