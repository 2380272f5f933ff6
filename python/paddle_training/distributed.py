"""Training on several processes: each computes a share of every batch, all keep equal parameters.

Which of them a process is stands in the environment that `paddle.distributed.launch` makes
(PADDLE_TRAINER_ID, PADDLE_TRAINERS_NUM, ...); `paddle_training.launch` starts that. Without it
there is one process, and nothing here does anything.

Paddle chooses how they talk: NCCL where it computes on GPUs, gloo on CPUs.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle

T = TypeVar("T")

# Seconds that a process waits for the others before it gives up. A process that is killed is
# noticed at once; this is for machines that vanish and programs that hang.
LOST_AFTER = "PADDLE_IMAGES_LOST_AFTER"
_LOST_AFTER_DEFAULT = "300"
LOST_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: the same command may well succeed
# Longer than the launcher needs (1 s) to see which process ended first, and to say so.
_LAUNCHER_SECONDS = 3


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0")) if size() > 1 else 0


def size() -> int:
    """Number of processes that train together."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def is_first() -> bool:
    """Whether this process is the one that logs, and writes checkpoints and models."""
    return rank() == 0


def start() -> None:
    """Meets the other processes; once, before the first tensor is made (it chooses the device)."""
    if size() == 1:
        return
    import paddle

    if paddle.distributed.is_initialized():
        return
    paddle.disable_signal_handler()  # it answers SIGTERM with a trace of C++
    if not paddle.is_compiled_with_cuda() or not paddle.device.cuda.device_count():
        os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo")
    seconds = lost_after()
    _say(f"waits for the others at {os.environ['PADDLE_TRAINER_ENDPOINTS']}, {seconds:g} s at most")
    # Paddle holds the interpreter's lock meanwhile: only a thread of C can end that.
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        paddle.distributed.init_parallel_env()
    except RuntimeError as error:
        _give_up(f"cannot meet the others: {_first_line(error)}")
    finally:
        faulthandler.cancel_dump_traceback_later()


def place() -> tuple[int, ...]:
    """What to add to a seed, so that each process draws other numbers: () in the first one."""
    return (rank(),) if rank() else ()


def part(rows: int) -> int:
    """How many rows of a batch this process makes, where data is made on the fly."""
    if rows % size():
        raise click.UsageError(
            f"A batch of {rows} is not the same number of rows for each of {size()} processes: "
            f"take a --batch-size that {size()} divides.",
            click.get_current_context(silent=True),
        )
    return rows // size()


def share(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """This process's part of the rows of a batch; the parts differ by one row at most."""
    if len(rows) < size():
        raise click.UsageError(
            f"A batch of {len(rows)} has no row for each of {size()} processes: take a larger "
            "--batch-size or fewer --processes.",
            click.get_current_context(silent=True),
        )
    return np.array_split(rows, size())[rank()]


def backward(
    loss: Callable[[Any], paddle.Tensor], batch: Any, network: paddle.nn.Layer
) -> paddle.Tensor:
    """Computes the gradients of a batch, the same ones in every process.

    Every process must take the same way through the network: gradients of the same parameters.

    Args:
        loss: the mean over the rows of what it is given.
        batch: row numbers, of which `loss` gets this process's share; or anything else, by which
            `loss` itself makes this process's `part`.
        network: whose parameters get the gradients.

    Returns:
        The loss of the whole batch.
    """
    if size() == 1:
        whole = loss(batch)
        whole.backward()
        return whole
    import paddle

    weight = 1 / size()
    if isinstance(batch, np.ndarray):
        rows = len(batch)
        batch = share(batch)
        weight = len(batch) / rows
    mine = loss(batch) * weight
    mine.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    # One sum over the network for all of them, and for the loss that is told.
    numbers = [t.flatten().astype("float32") for t in (*gradients, mine.detach())]
    flat = paddle.concat(numbers)
    with _in_time():
        paddle.distributed.all_reduce(flat)
        if flat.place.is_gpu_place():
            paddle.device.synchronize()  # NCCL's sum is only begun
    sums = paddle.split(flat, [t.shape[0] for t in numbers])
    for gradient, summed in zip(gradients, sums[:-1], strict=True):
        paddle.assign(summed.reshape(gradient.shape).astype(gradient.dtype), gradient)
    return sums[-1]


def broadcast(value: T) -> T:
    """What the first process calls it with, in every process."""
    if size() == 1:
        return value
    import paddle

    values = [value]
    with _in_time():
        paddle.distributed.broadcast_object_list(values, src=0)
    return values[0]


def broadcast_state(network: paddle.nn.Layer) -> None:
    """Gives every process the first one's parameters and buffers."""
    if size() == 1:
        return
    import paddle

    with _in_time():
        for tensor in network.state_dict().values():
            paddle.distributed.broadcast(tensor, src=0)


def gather(value: T) -> list[T]:
    """What every process calls it with, by their ranks, in every process."""
    if size() == 1:
        return [value]
    import paddle

    values: list[T] = []
    with _in_time():
        paddle.distributed.all_gather_object(values, value)
    return values


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Ends this process when others do not take part, by their end or by their silence."""
    seconds = lost_after()
    silence = threading.Timer(
        seconds, _give_up, [f"waited {seconds:g} s for another one, which says nothing", 0]
    )
    silence.daemon = True
    silence.start()
    try:
        yield
    except RuntimeError as error:  # gloo's: a connection was closed
        _give_up(f"lost another one: {_first_line(error)}")
    finally:
        silence.cancel()


def _give_up(reason: str, seconds: float = _LAUNCHER_SECONDS) -> NoReturn:
    _say(f"{reason}. With --checkpoint, the same command goes on from the newest one.")
    time.sleep(seconds)
    os._exit(LOST_EXIT_CODE)  # not by an exception: this may be a thread, and others may hang


def _say(text: str) -> None:
    print(f"paddle_images: process {rank()} of {size()} {text}", file=sys.stderr, flush=True)


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def lost_after() -> float:
    """Seconds to wait for other processes."""
    text = os.environ.get(LOST_AFTER, _LOST_AFTER_DEFAULT)
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"{LOST_AFTER}={text} is no number of seconds.") from None
