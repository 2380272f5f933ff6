"""The training loop and the command line that the training programs share."""

from __future__ import annotations

import atexit
import functools
import hashlib
import itertools
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from paddle_training import distributed, launch, missing, paths, runtime
from paddle_training.checkpoint import Checkpoint, Checkpoints
from paddle_training.log import Log

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle

missing.tell()

F = TypeVar("F", bound=Callable[..., Any])
Batch = TypeVar("Batch")

# Kernels that give other bits on other CPUs whatever the settings, and what to use instead.
_UNPORTABLE_OPTIMIZERS = {
    "Adam": "Momentum, SGD, Lamb or Adamax",
    "AdamW": "Momentum or Lamb",
}
_UNPORTABLE_LAYERS = dict.fromkeys(
    ("BatchNorm", "BatchNorm1D", "BatchNorm2D", "BatchNorm3D", "SyncBatchNorm"), "GroupNorm"
)


@dataclass(frozen=True)
class Run:
    """What the options of every training program say."""

    out: Path
    samples: Path | None = None
    steps: int | None = None
    seed: int = 0
    fast: bool = False
    checkpoint: Path | None = None
    checkpoint_every: int = 100
    log: Path | None = None
    log_every: int | None = None

    @functools.cached_property
    def records(self) -> Log:
        """Where this run's numbers go; a program adds what it measures at the end."""
        return Log(self.log)

    def is_told(self, step: int, steps: int) -> bool:
        """Whether `log_every` asks for the numbers of this step."""
        if self.log_every:
            return step % self.log_every == 0 or step == steps
        return step * 10 // steps != (step - 1) * 10 // steps


def made(_context: click.Context, _option: click.Parameter, directory: Path | None) -> Path | None:
    """Makes an option's directory before the training, not after it, when it cannot be made."""
    if directory:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.BadParameter(f"{directory.absolute()}: {error.strerror}") from error
    return directory


def _apart(run: Run) -> Run:
    """The run of a process that is not the first: nobody keeps what it writes."""
    folder = Path(tempfile.mkdtemp(prefix="paddle_images_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out, samples = folder / "out", folder / "samples"
    out.mkdir()
    return replace(run, out=out, samples=samples if run.samples else None, log=None)


def options(function: F) -> Callable[..., Any]:
    """Gives a program the options of `Run`; it gets the `Run` before options of its own.

    With --processes or --hosts the program is started again, once for each process.
    """
    directory = paths.UserPath(file_okay=False, writable=True)

    @functools.wraps(function)
    def with_run(processes: int, hosts: str | None, port: int, **values: Any) -> Any:
        names = launch.parse_hosts(hosts) if hosts else launch.volcano_hosts()
        machines = launch.Machines(processes, names, port)
        if machines.starts_others():
            launch.run(machines)
        launch.end_with_launcher()
        run = Run(**{field.name: values.pop(field.name) for field in fields(Run)})
        return function(run if distributed.is_first() else _apart(run), **values)

    decorated: Callable[..., Any] = with_run
    for option in (
        click.option(
            "--port",
            default=launch.PORT,
            show_default=True,
            type=click.IntRange(1, 65535),
            help="With --hosts: where the first machine listens.",
        ),
        click.option(
            "--hosts",
            metavar="A,B,...",
            help="Train on these machines together: the same command on each of them. In a "
            "Volcano Job this is known.",
        ),
        click.option(
            "--processes",
            default=1,
            show_default=True,
            type=click.IntRange(1),
            help="Train on so many processes of this machine (and of each of --hosts) together; "
            "each takes a share of every batch, and a GPU if there are any.",
        ),
        click.option(
            "--log-every",
            type=click.IntRange(1),
            metavar="STEPS",
            help="Tell of the loss every so many steps.  [default: a tenth of all]",
        ),
        click.option(
            "--log",
            type=directory,
            callback=made,
            help="Also write TensorBoard's event files here.",
        ),
        click.option(
            "--checkpoint-every",
            default=100,
            show_default=True,
            type=click.IntRange(1),
            metavar="STEPS",
            help="With --checkpoint: how often to write one.",
        ),
        click.option(
            "--checkpoint",
            type=directory,
            callback=made,
            help="Write checkpoints here, and go on from the newest one here.",
        ),
        click.option(
            "--fast",
            is_flag=True,
            help="Use this CPU's quickest kernels and OMP_NUM_THREADS threads (default 1); "
            "the bits then depend on the CPU.",
        ),
        click.option(
            "--seed",
            default=0,
            show_default=True,
            type=click.IntRange(0, 2**31 - 1),
            help="Seed of all random numbers.",
        ),
        click.option(
            "--steps",
            type=click.IntRange(1),
            help="Train this many steps.  [default: the program's own, or that of --epochs]",
        ),
        click.option(
            "--samples",
            type=directory,
            callback=made,
            help="Also write held-out inputs, labels and this run's outputs here (.npy).",
        ),
        click.option(
            "--out",
            type=directory,
            callback=made,
            required=True,
            help="Folder for the exported model.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def program(function: Callable[..., Any]) -> click.Command:
    """Makes a command of a function that takes the `Run` before options of its own.

    It has the options of `Run`, its help is the module's docstring, and it runs under the settings
    of `runtime.start`: paddle is imported in it, not above it.
    """

    @functools.wraps(function)
    def started(run: Run, **values: Any) -> Any:
        runtime.start(run.seed, run.fast)
        return function(run, **values)

    return click.command(help=sys.modules[function.__module__].__doc__)(options(started))


def hyperparameters(epochs: int, learning_rate: float, batch_size: int = 32) -> Callable[[F], F]:
    """Gives a program --epochs, --batch-size and --learning-rate, with these defaults."""

    def add(function: F) -> F:
        for option in (
            click.option(
                "--learning-rate",
                default=learning_rate,
                show_default=True,
                type=click.FloatRange(0, min_open=True),
            ),
            click.option(
                "--batch-size", default=batch_size, show_default=True, type=click.IntRange(1)
            ),
            click.option("--epochs", default=epochs, show_default=True, type=click.IntRange(1)),
        ):
            function = option(function)
        return function

    return add


def batches(rows: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Endless batches of row numbers: each epoch a new permutation, an incomplete batch dropped."""
    if rows < size:
        raise click.UsageError(
            f"No batch of {size} from {rows} rows: take a smaller --batch-size.",
            click.get_current_context(silent=True),
        )

    def endless() -> Iterator[NDArray[np.int64]]:
        order = np.random.RandomState(seed)
        while True:
            permutation = order.permutation(rows)
            for first in range(0, rows - size + 1, size):
                yield permutation[first : first + size]

    return endless()


def digest(*arrays: NDArray[Any]) -> str:
    """Of the data that a run trains on: a checkpoint of other data is refused by it."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(f"{array.dtype.str}{array.shape}".encode())
        whole.update(np.ascontiguousarray(array).data)
    return f"sha256:{whole.hexdigest()}"


def fit(
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    loss: Callable[[Batch], paddle.Tensor],
    batches: Iterator[Batch],
    steps: int,
    run: Run | None = None,
    settings: Mapping[str, Any] | None = None,
) -> float:
    """Trains for a number of steps, tells of the progress, returns the last loss.

    With checkpoints, a run that was killed goes on to the bits of one that was not: beside the
    network and the optimizer, which checkpoints hold, a step depends on `run.seed` and its number
    alone.

    Where several processes train together, each takes its share of every batch, the gradients are
    those of the whole batch, and the first process alone tells and writes; see `distributed`.

    Args:
        network: is in training mode during the loop and in evaluation mode after it.
        optimizer: of the network's parameters. A schedule of its learning rate (LRScheduler) goes
            on by one after each step.
        loss: the mean over one of the batches, or over this process's share of its rows; a tensor
            to go back from. Random numbers of paddle, numpy and random (dropout, augmentation) are
            seeded anew for each step.
        batches: what `loss` gets at step 1 and on: rows (see the function `batches`), or for data
            made on the fly the step's number (`itertools.count(1)`). Random generators that it
            draws from are its own.
        steps: how many of them to take; never a time, which would make the result depend on it.
        run: where checkpoints and logs go.
        settings: what else the bits depend on, such as the batch size and the data's `digest`: a
            checkpoint with other settings is refused.
    """
    run = run or Run(Path())
    if runtime.is_deterministic():
        refuse_unportable(network, optimizer)
    network.train()
    done, value = 0, float("nan")
    checkpoints, saved = None, None
    if run.checkpoint and distributed.is_first():
        configuration = _configuration(network, optimizer, steps, run, settings or {})
        checkpoints = Checkpoints(run.checkpoint, configuration)
        if saved := checkpoints.load(steps):
            run.records.resume(saved.step)
            where = run.checkpoint.absolute()
            click.echo(f"goes on after step {saved.step}, from {where}", err=True)
    # Read by the first process alone: machines need not share a folder, and all get one state.
    if saved := distributed.broadcast(saved):
        done, value = saved.step, saved.values["loss"]
        _restore(network, optimizer, saved)
    distributed.broadcast_state(network)
    batches = itertools.islice(batches, done, None)
    schedule = _schedule(optimizer)
    # A bar on a terminal; lines elsewhere, where a bar would fill the log.
    numbers = range(done + 1, steps + 1)
    silent = None if distributed.is_first() else True
    for step in tqdm(numbers, initial=done, total=steps, unit="step", disable=silent):
        runtime.seed_step(run.seed, step)
        tensor = distributed.backward(loss, next(batches), network)
        optimizer.step()
        optimizer.clear_grad()
        if schedule:
            schedule.step()
        if run.is_told(step, steps):
            value = float(tensor)
            if distributed.is_first():
                tqdm.write(f"step {step}/{steps}  loss {value:.4f}", file=sys.stderr)
            run.records.record(step, loss=value)
        if checkpoints and (step % run.checkpoint_every == 0 or step == steps):
            checkpoints.save(_capture(network, optimizer, step, value))
    network.eval()
    if distributed.size() > 1:
        digests = distributed.gather(digest(*(p.numpy() for p in network.parameters())))
        run.records.parameters(steps, digests)
        if len(set(digests)) > 1:
            raise RuntimeError(f"the processes trained to different parameters: {digests}")
    return value


def _capture(
    network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer, step: int, loss: float
) -> Checkpoint:
    arrays = {f"network/{k}": v.numpy() for k, v in network.state_dict().items()}
    state = optimizer.state_dict()
    scheduler = state.pop("LR_Scheduler", None)
    arrays |= {f"master/{k}": v.numpy() for k, v in state.pop("master_weights", {}).items()}
    arrays |= {f"optimizer/{k}": v.numpy() for k, v in state.items()}
    return Checkpoint(step, arrays, {"loss": loss, "scheduler": scheduler})


def _restore(
    network: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer, saved: Checkpoint
) -> None:
    """The other way; whether names and shapes fit, the configuration has told."""
    import paddle

    states: dict[str, dict[str, Any]] = {"network": {}, "master": {}, "optimizer": {}}
    for key, array in saved.arrays.items():
        kind, _, name = key.partition("/")
        states[kind][name] = paddle.to_tensor(array)
    network.set_state_dict(states["network"])
    if states["master"]:
        states["optimizer"]["master_weights"] = states["master"]
    if saved.values["scheduler"]:
        states["optimizer"]["LR_Scheduler"] = saved.values["scheduler"]
    optimizer.set_state_dict(states["optimizer"])


def _configuration(
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    steps: int,
    run: Run,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """All that a run's bits depend on, but the number of steps and the program's own code.

    More steps may go on from where fewer ended, unless a schedule of the learning rate looks ahead
    to the end.
    """
    import paddle

    # Paddle's own names too: the optimizer's state is found by them.
    parameters = {
        name: f"{tensor.name} {tensor.dtype} {tensor.shape}"
        for name, tensor in network.state_dict().items()
    }
    configuration = {
        "seed": run.seed,
        **settings,
        "processes": distributed.size(),
        "paddle_version": paddle.version.full_version,
        "deterministic": runtime.is_deterministic(),
        "network": f"{network} {parameters}",
        "optimizer": _plain(optimizer),
    }
    if schedule := _schedule(optimizer):
        configuration |= {"learning_rate_schedule": _plain(schedule), "steps": steps}
    return configuration


def _schedule(optimizer: paddle.optimizer.Optimizer) -> paddle.optimizer.lr.LRScheduler | None:
    """The schedule of the learning rate, if it is no mere number."""
    import paddle

    rate = optimizer._learning_rate  # there is no public way to ask for it
    return rate if isinstance(rate, paddle.optimizer.lr.LRScheduler) else None


def _plain(thing: object) -> str:
    """A class and those of its attributes that are mere numbers, texts, or rules with a number."""
    attributes = {
        name: str(value)
        for name, value in sorted(vars(thing).items())
        if isinstance(value, bool | int | float | str) or name in ("regularization", "_grad_clip")
    }
    return f"{type(thing).__name__} {attributes}"


def warmup_cosine(learning_rate: float, warmup: int, steps: int) -> paddle.optimizer.lr.LRScheduler:
    """A schedule for `fit`: up to `learning_rate` in `warmup` steps, then along a cosine to 0."""
    import paddle

    def factor(done: int) -> float:
        return min(1.0, (done + 1) / warmup) * (1 + math.cos(math.pi * done / steps)) / 2

    return paddle.optimizer.lr.LambdaDecay(learning_rate, factor)


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
