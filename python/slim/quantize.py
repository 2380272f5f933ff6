"""Quantises a trained model to int8 without training: ranges of activations come from some rows."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import click
from numpy.typing import NDArray

from paddle_training import training
from slim import slimming


@training.program
@slimming.options
@click.option("--batches", default=10, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1))
@click.option(
    "--algorithm",
    default="avg",
    show_default=True,
    type=click.Choice(["avg", "abs_max"]),
    help="An activation's range: the average of the batches' greatest values, or their greatest.",
)
def main(
    run: training.Run,
    task_name: str,
    float_model: Path,
    batches: int,
    batch_size: int,
    algorithm: str,
) -> None:
    """Calibrates, quantises, exports; its help text is this file's."""
    task = slimming.begin(task_name, float_model)
    numbers = training.batches(task.rows, batch_size, run.seed + 1)
    rows = list(itertools.islice(numbers, batches))
    import paddle

    with slimming.muted():
        from paddleslim.quant import quant_post_static

    from slim.program import INT8_OPERATORS

    class Batches(paddle.io.Dataset):  # type: ignore[misc]  # paddle has no type stubs
        """The inputs to calibrate on, batch by batch."""

        def __len__(self) -> int:
            return batches

        def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
            return tuple(inputs[index])

    inputs = [task.batch(numbers)[0] for numbers in rows]
    with tempfile.TemporaryDirectory() as raw:
        paddle.enable_static()
        try:
            with paddle.static.program_guard(paddle.static.Program()):
                feeds = [paddle.static.data(s.name, s.shape, s.dtype) for s in task.inputs]
            place = paddle.CPUPlace()
            loader = paddle.io.DataLoader(
                Batches(), feed_list=feeds, batch_size=None, places=place, return_list=False
            )
            with slimming.muted(), paddle.static.scope_guard(paddle.static.Scope()):
                quant_post_static(
                    executor=paddle.static.Executor(place),
                    model_dir=str(float_model),
                    model_filename="model.pdmodel",
                    params_filename="model.pdiparams",
                    quantize_model_path=raw,
                    data_loader=loader,
                    batch_nums=batches,
                    algo=algorithm,
                    onnx_format=True,  # weights are stored in int8
                    quantizable_op_type=list(INT8_OPERATORS),
                )
        finally:
            paddle.disable_static()
        settings = {
            "method": "post-training quantisation",
            "algorithm": algorithm,
            "batches": batches,
            "batch_size": batch_size,
            "seed": run.seed,
            "data": task.digest,
        }
        slimming.finish(task, Path(raw), float_model, run, f"{task_name}_int8", settings)


if __name__ == "__main__":
    main()
