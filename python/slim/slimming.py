"""What the four programs share: options, the float model, and the report on what became of it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from paddle_training import paths, runtime, training
from slim.tasks import TASKS, Arrays, Task

F = TypeVar("F", bound=Callable[..., Any])

_RUNS = 100  # of a latency's median


def options(function: F) -> F:
    """The argument TASK and the option --model."""
    directory = paths.UserPath(exists=True, file_okay=False)
    function = click.option(
        "--model",
        "float_model",
        type=directory,
        required=True,
        help="The trained float model: a folder with model.pdmodel and model.pdiparams.",
    )(function)
    return click.argument("task_name", metavar="TASK", type=click.Choice(list(TASKS)))(function)


def begin(name: str, directory: Path) -> Task:
    """Looks at the float model and gives the task; a usage error when it is none to make slim."""
    from paddle_training.export import ModelError
    from slim.program import Model

    try:
        model = Model.load(directory)
    except ModelError as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from error
    if model.quantised:
        raise click.UsageError(
            f"{directory} is quantised already: give --model the float model.",
            click.get_current_context(silent=True),
        )
    task = TASKS[name](directory)
    wanted = {spec.name: list(spec.shape) for spec in task.inputs}
    if model.inputs != wanted:
        raise click.UsageError(
            f"--model is of another network: its inputs are {model.inputs}, those of {name} are "
            f"{wanted}.",
            click.get_current_context(silent=True),
        )
    return task


def trained(task: Task, directory: Path) -> Any:
    """The task's network with the parameters of the float model."""
    import paddle

    from paddle_training import weights

    with paddle.utils.unique_name.guard():  # names of a process's first network, as the export has
        network = task.network()
    found = weights.read(directory, network)
    for key, tensor in network.state_dict().items():
        if key not in found or list(found[key].shape) != tensor.shape:
            what = f"{list(found[key].shape)} there" if key in found else "not in the model"
            raise click.UsageError(
                f"--model is of another network: {key} is of shape {tensor.shape} in this task, "
                f"and {what}.",
                click.get_current_context(silent=True),
            )
    network.set_state_dict(found)
    network.eval()
    return network


def fit(
    task: Task,
    network: Any,
    loss: Callable[[Arrays, Any], Any],
    run: training.Run,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Trains `network`; `loss` is of inputs and targets. Returns the settings."""
    chosen = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": task.digest,
        **settings,
    }
    steps = run.steps or epochs * (task.rows // batch_size)
    training.fit(
        network,
        task.optimizer(learning_rate, network.parameters()),
        lambda rows: loss(*task.batch(rows)),
        training.batches(task.rows, batch_size, run.seed + 1),
        steps,
        run,
        chosen,
    )
    return {"steps": steps, **chosen}


def origin(directory: Path) -> str:
    """The digest by which a model's metadata names the float model that it was made of."""
    from paddle_training.export import PARAMETERS

    return f"sha256:{hashlib.sha256((directory / PARAMETERS).read_bytes()).hexdigest()}"


def finish(
    task: Task,
    raw: Path,
    float_model: Path,
    run: training.Run,
    name: str,
    settings: Mapping[str, Any],
) -> None:
    """From what Paddle or PaddleSlim wrote to `raw` to the model and its samples, and a table.

    The metrics are those of the exported graph, run as it stands (int8 computed in float), so that
    they are the same on every CPU. The table, for people, adds what this CPU makes of it.
    """
    from paddle_training import export
    from slim.program import Model, tidy

    model = Model.load(raw)
    tidy(model, task.outputs)
    model.save(raw)
    before, after = Model.load(float_model), Model.load(raw)
    measured = task.measure(graph(float_model)), task.measure(graph(raw))
    size = before.parameter_bytes, after.parameter_bytes
    for file in float_model.iterdir():  # a character set, a dictionary
        if file.is_file() and not (raw / file.name).exists() and file.name != export.CARD:
            (raw / file.name).write_bytes(file.read_bytes())
    row = [list(array[:1].shape) for array in task.samples]
    flop = before.flop(row), after.flop(row)
    metrics = {
        task.metric: round(measured[1], 6),
        f"{task.metric}_drop": round(measured[0] - measured[1], 6),
        "parameter_bytes": size[1],
        "parameter_bytes_ratio": round(size[1] / size[0], 6),
        "flop": flop[1],
        "flop_ratio": round(flop[1] / flop[0], 6),
    }
    told = {"metrics": metrics, "settings": {**settings, "float_model": origin(float_model)}}
    told |= _inherited(float_model, settings["method"])
    (raw / export.METADATA).write_text(json.dumps(told), encoding="utf-8")
    precision = export.finish(raw, run.out, name, runtime.settings())["precision"]
    run.records.record(settings.get("steps", 0), **{task.metric: measured[1]})
    if run.samples:
        export.save_samples(
            run.samples,
            dict(zip((spec.name for spec in task.inputs), task.samples, strict=True)),
            dict(zip(task.outputs, graph(raw)(task.samples), strict=True)),
            labels=task.labels,
        )
    here = [served(directory) for directory in (float_model, run.out)]
    first = [array[:1] for array in task.samples]
    click.echo(
        "\n".join(
            [
                f"| {name} | float | {precision} | |",
                "| --- | ---: | ---: | ---: |",
                _row("parameter bytes", size, "{:,}"),
                _row("FLOP of one row", flop, "{:,}"),
                _row(f"{task.metric} on held-out rows", measured, "{:.4f}"),
                _row("the same as this CPU serves it", [*map(task.measure, here)], "{:.4f}"),
                _row("latency of one row, median, us", [median(h, first) for h in here], "{:.0f}"),
                f"\n{about_this_cpu()}",
            ]
        ),
        err=True,
    )


def _inherited(float_model: Path, method: str) -> dict[str, Any]:
    """What the float model's metadata says of it and is true of the slim one as well."""
    from paddle_training.export import METADATA

    try:
        told = json.loads((float_model / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a model of another program need not have any
        return {}
    kept = {key: told[key] for key in ("licence", "data") if key in told}
    if description := told.get("description"):
        kept["description"] = f"{description} Made smaller by {method}."
    return kept


def graph(directory: Path) -> Callable[[Arrays], Arrays]:
    """The exported graph, run operator by operator."""
    import paddle

    network = paddle.jit.load(str(directory / "model"))
    network.eval()

    def run(inputs: Arrays) -> Arrays:
        outputs = network(*[paddle.to_tensor(array) for array in inputs])
        return [o.numpy() for o in (outputs if isinstance(outputs, list | tuple) else [outputs])]

    return run


def served(directory: Path) -> Callable[[Arrays], Arrays]:
    """The model as a server runs it here: in int8 where it is quantised and there is oneDNN."""
    from paddle import inference
    from paddle.base import core

    from slim.program import Model

    config = inference.Config(str(directory / "model.pdmodel"), str(directory / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if Model.load(directory).quantised and core.is_compiled_with_mkldnn():
        config.enable_mkldnn()
        config.enable_mkldnn_int8({"conv2d", "depthwise_conv2d"})  # what //cc/engine does
    with muted():
        predictor = inference.create_predictor(config)
    inputs = [predictor.get_input_handle(name) for name in predictor.get_input_names()]
    outputs = [predictor.get_output_handle(name) for name in predictor.get_output_names()]

    def run(arrays: Arrays) -> Arrays:
        for handle, array in zip(inputs, arrays, strict=True):
            handle.reshape(array.shape)
            handle.copy_from_cpu(np.ascontiguousarray(array))
        predictor.run()
        return [handle.copy_to_cpu() for handle in outputs]

    return run


def median(run: Callable[[Arrays], Arrays], arrays: Arrays) -> float:
    """Time of a run in us, the median of many."""
    times = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        run(arrays)
        times.append(time.perf_counter() - begun)
    return 1e6 * float(np.median(times))


def about_this_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Whether it multiplies int8 by instructions of its own."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        return f"Whether this CPU has int8 instructions is unknown: {error}"
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()[2:]}
    names = {"avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI", "amx_int8": "AMX"}
    if found := [name for flag, name in names.items() if flag in flags]:
        return f"This CPU has int8 instructions: {', '.join(found)}."
    return (
        "This CPU has no int8 instructions (AVX512-VNNI/AVX-VNNI): int8 is smaller here, "
        "not faster."
    )


@contextmanager
def muted() -> Iterator[None]:
    """Keeps back what libraries write to stderr; shows it after all when they fail."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def _row(what: str, values: Sequence[float], form: str) -> str:
    before, after = values
    ratio = f"{after / before:.2f} x" if before else ""
    return f"| {what} | {form.format(before)} | {form.format(after)} | {ratio} |"
