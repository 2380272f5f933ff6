"""Trains a network of three linear layers on random numbers: products of the sizes asked for."""

from __future__ import annotations

import click
import numpy as np

from paddle_images import runtime, training

CLASSES = 10


@click.command(help=__doc__)
@training.options
@click.option("--inputs", required=True, type=click.IntRange(1))
@click.option("--hidden", required=True, type=click.IntRange(1))
@click.option("--batch-size", required=True, type=click.IntRange(1))
def main(run: training.Run, inputs: int, hidden: int, batch_size: int) -> None:
    """Trains and exports; its help text is this file's."""
    runtime.start(run.seed, run.fast)
    import paddle

    from paddle_images import export

    numbers = np.random.RandomState(run.seed)
    rows = numbers.standard_normal((batch_size, inputs)).astype(np.float32)
    labels = numbers.randint(0, CLASSES, batch_size).astype(np.int64)
    net = paddle.nn.Sequential(
        *(paddle.nn.Linear(inputs, hidden), paddle.nn.ReLU()),
        *(paddle.nn.Linear(hidden, hidden), paddle.nn.ReLU()),
        paddle.nn.Linear(hidden, CLASSES),
    )
    optimizer = paddle.optimizer.Momentum(0.01, parameters=net.parameters())
    training.fit(
        net,
        optimizer,
        lambda chosen: paddle.nn.functional.cross_entropy(
            net(paddle.to_tensor(rows[chosen])), paddle.to_tensor(labels[chosen])
        ),
        training.batches(len(rows), batch_size, run.seed + 1),
        run.steps or 1,
        run,
    )
    export.save(
        net,
        run.out,
        name="mlp",
        inputs=[paddle.static.InputSpec([None, inputs], "float32", "x")],
        outputs=["logits"],
        metrics={},
        settings={"seed": run.seed},
    )


if __name__ == "__main__":
    main()
