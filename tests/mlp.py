"""Trains a network of three linear layers on random numbers: products of the sizes asked for."""

from __future__ import annotations

import click
import numpy as np

from paddle_training import classifier, training

CLASSES = 10


@training.program
@click.option("--inputs", required=True, type=click.IntRange(1))
@click.option("--hidden", required=True, type=click.IntRange(1))
@click.option("--batch-size", required=True, type=click.IntRange(1))
def main(run: training.Run, inputs: int, hidden: int, batch_size: int) -> None:
    """Trains and exports; its help text is this file's."""
    import paddle

    numbers = np.random.RandomState(run.seed)
    labels = numbers.randint(0, CLASSES, batch_size).astype(np.int64)
    rows = numbers.standard_normal((batch_size, inputs)).astype(np.float32), labels
    net = paddle.nn.Sequential(
        *(paddle.nn.Linear(inputs, hidden), paddle.nn.ReLU()),
        *(paddle.nn.Linear(hidden, hidden), paddle.nn.ReLU()),
        paddle.nn.Linear(hidden, CLASSES),
    )
    optimizer = paddle.optimizer.Momentum(0.01, parameters=net.parameters())
    classifier.train(run, net, optimizer, rows, rows, epochs=1, batch_size=batch_size)


if __name__ == "__main__":
    main()
