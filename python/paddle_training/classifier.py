"""Trains a classifier from arrays to an exported model: what most first models are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from paddle_training import training

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle

Rows = tuple[NDArray[Any], NDArray[np.int64]]  # inputs [N, ...], the class of each of them [N]


def split(inputs: NDArray[Any], labels: NDArray[Any], seed: int = 0) -> tuple[Rows, Rows]:
    """The rows to train on (four fifths), the rows held out; shuffled; float64 becomes float32."""
    order = np.random.RandomState(seed).permutation(len(inputs))
    if inputs.dtype == np.float64:
        inputs = inputs.astype(np.float32)
    inputs, labels = inputs[order], labels[order].astype(np.int64)
    held_out = len(order) // 5
    return (inputs[held_out:], labels[held_out:]), (inputs[:held_out], labels[:held_out])


def train(
    run: training.Run,
    network: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    rows: Rows,
    held_out: Rows,
    *,
    epochs: int,
    batch_size: int,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **about: Any,
) -> None:
    """Trains by cross-entropy, measures the accuracy, exports, and writes the golden files.

    The model has one input, "x", and one output, "logits".

    Args:
        run: what the command line says.
        network: from [N, ...] to one logit for each class, [N, classes].
        optimizer: of its parameters.
        rows: to train on.
        held_out: to measure on; the golden inputs.
        epochs: unless run.steps says otherwise.
        batch_size: rows of a step.
        name: of the model; without it that of the folder it is written to.
        settings: what the result depends on beside these arguments.
        about: "description", "data" and "licence" of export.save.
    """
    import paddle

    from paddle_training import export

    inputs, labels = rows
    settings = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": optimizer.get_lr(),
        **(settings or {}),
        "data": training.digest(inputs, labels),
    }
    steps = run.steps or epochs * (len(inputs) // batch_size)
    training.fit(
        network,
        optimizer,
        lambda batch: paddle.nn.functional.cross_entropy(
            network(paddle.to_tensor(inputs[batch])), paddle.to_tensor(labels[batch])
        ),
        training.batches(len(inputs), batch_size, run.seed + 1),
        steps,
        run,
        settings,
    )
    held_out_inputs, held_out_labels = held_out
    logits = network(paddle.to_tensor(held_out_inputs)).numpy()
    accuracy = training.accuracy(logits, held_out_labels)
    click.echo(f"accuracy {accuracy:.4f} on {len(held_out_labels)} held-out rows", err=True)
    run.records.record(steps, accuracy=accuracy)
    export.save(
        network,
        run.out,
        name=name or run.out.absolute().name,
        inputs=[paddle.static.InputSpec([None, *inputs.shape[1:]], str(inputs.dtype), "x")],
        outputs=["logits"],
        metrics={"accuracy": round(accuracy, 6)},
        settings={"steps": steps, **settings},
        **about,
    )
    if run.samples:
        export.save_samples(
            run.samples, {"x": held_out_inputs}, {"logits": logits}, held_out_labels
        )
