"""Trains the smallest dynamic-to-static network on ten noisy patterns and exports it."""

from __future__ import annotations

import click
import numpy as np
from numpy.typing import NDArray

from paddle_images import runtime, training

NOISE = 2.0  # standard deviation; that of the patterns is 1


def draw(
    patterns: NDArray[np.float32], rows: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images that each show one of the patterns under noise, and which one it is."""
    numbers = np.random.RandomState(seed)
    labels = numbers.randint(0, len(patterns), rows).astype(np.int64)
    noise = numbers.standard_normal((rows, *patterns.shape[1:]))
    return (patterns[labels] + NOISE * noise).astype(np.float32), labels


@click.command(help=__doc__)
@training.options
@click.option("--epochs", default=2, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=0.0005, show_default=True)
def main(run: training.Run, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Trains, measures, exports; its help text is this file's."""
    runtime.start(run.seed, run.fast)
    import paddle

    from paddle_images import export
    from simple_cnn import network

    patterns = np.random.RandomState(0).standard_normal((10, 3, 32, 32)).astype(np.float32)
    images, labels = draw(patterns, 480, seed=1)
    held_out_images, held_out_labels = draw(patterns, 64, seed=2)
    net = network.SimpleCNN()
    optimizer = paddle.optimizer.Momentum(learning_rate, parameters=net.parameters())
    settings = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": training.digest(images, labels),
    }
    steps = run.steps or epochs * (len(images) // batch_size)
    training.fit(
        net,
        optimizer,
        lambda rows: paddle.nn.functional.cross_entropy(
            net(paddle.to_tensor(images[rows])), paddle.to_tensor(labels[rows])
        ),
        training.batches(len(images), batch_size, run.seed + 1),
        steps,
        run,
        settings,
    )
    logits = net(paddle.to_tensor(held_out_images)).numpy()
    accuracy = training.accuracy(logits, held_out_labels)
    click.echo(f"accuracy {accuracy:.4f} on {len(held_out_labels)} held-out images", err=True)
    run.records.record(steps, accuracy=accuracy)
    export.save(
        net,
        run.out,
        name="simple_cnn",
        inputs=None,
        outputs=["logits"],
        metrics={"accuracy": round(accuracy, 6)},
        settings={"steps": steps, **settings},
        description="Says which of ten fixed patterns a noisy image shows: a smallest example.",
        data={"description": "generated from fixed seeds"},
    )
    if run.samples:
        export.save_samples(
            run.samples, {"x": held_out_images}, {"logits": logits}, held_out_labels
        )


if __name__ == "__main__":
    main()
