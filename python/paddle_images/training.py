"""The training loop and the command line that the training programs share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from paddle_images import runtime

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle

F = TypeVar("F", bound=Callable[..., Any])

# Kernels that give other bits on other CPUs whatever the settings, and what to use instead.
_UNPORTABLE_OPTIMIZERS = {
    "Adam": "Momentum, SGD, Lamb or Adamax",
    "AdamW": "Momentum or Lamb",
}
_UNPORTABLE_LAYERS = dict.fromkeys(
    ("BatchNorm", "BatchNorm1D", "BatchNorm2D", "BatchNorm3D", "SyncBatchNorm"), "GroupNorm"
)


def options(function: F) -> F:
    """The options every training program has: where to write, the seed, and how long to train."""
    directory = click.Path(file_okay=False, path_type=Path)
    for option in (
        click.option(
            "--fast",
            is_flag=True,
            help="Use this CPU's quickest kernels and OMP_NUM_THREADS threads (default 1); "
            "the bits then depend on the CPU.",
        ),
        click.option("--seed", default=0, show_default=True, help="Seed of all random numbers."),
        click.option(
            "--steps",
            type=click.IntRange(1),
            help="Train this many steps instead of --epochs.",
        ),
        click.option(
            "--samples",
            type=directory,
            help="Also write held-out inputs, labels and this run's outputs here (.npy).",
        ),
        click.option(
            "--out",
            type=directory,
            required=True,
            help="Folder for the exported model.",
        ),
    ):
        function = option(function)
    return function


def batches(rows: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Endless batches of row numbers: each epoch a new permutation, an incomplete batch dropped."""
    if rows < size:
        raise ValueError(f"no batch of {size} from {rows} rows")
    order = np.random.RandomState(seed)
    while True:
        permutation = order.permutation(rows)
        for first in range(0, rows - size + 1, size):
            yield permutation[first : first + size]


def fit(
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    loss: Callable[[NDArray[np.int64]], paddle.Tensor],
    rows: Iterator[NDArray[np.int64]],
    steps: int,
) -> float:
    """Trains for a number of steps, tells of the progress ten times, returns the last loss.

    Args:
        network: is in training mode during the loop and in evaluation mode after it.
        optimizer: of the network's parameters.
        loss: of the batch that the given rows make, a tensor to go back from.
        rows: the batches, see `batches`.
        steps: how many of them to take; never a time, which would make the result depend on it.
    """
    if runtime.is_deterministic():
        refuse_unportable(network, optimizer)
    network.train()
    value = float("nan")
    # A bar on a terminal; ten lines elsewhere, where a bar would fill the log.
    for step in tqdm(range(1, steps + 1), unit="step", disable=None):
        tensor = loss(next(rows))
        tensor.backward()
        optimizer.step()
        optimizer.clear_grad()
        if step * 10 // steps != (step - 1) * 10 // steps:
            value = float(tensor)
            tqdm.write(f"step {step}/{steps}  loss {value:.4f}", file=sys.stderr)
    network.eval()
    return value


def refuse_unportable(network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
    """Raises ValueError for an optimizer or a layer that trains to other bits on another CPU."""
    kinds = [(type(optimizer).__name__, _UNPORTABLE_OPTIMIZERS)]
    kinds += [(type(layer).__name__, _UNPORTABLE_LAYERS) for layer in network.sublayers(True)]
    for kind, unportable in kinds:
        if kind in unportable:
            raise ValueError(
                f"{kind} trains to other bits on another CPU, whatever the settings. "
                f"Use {unportable[kind]}, or give up equal bits with --fast."
            )


def accuracy(outputs: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The share of rows whose largest output is at the label's place."""
    return float((outputs.argmax(axis=1) == labels).mean())
