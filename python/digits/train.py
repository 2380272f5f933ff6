"""Trains a small convolutional network on scikit-learn's handwritten digits and exports it."""

from __future__ import annotations

from pathlib import Path

import click

from paddle_images import runtime, training


@click.command(help=__doc__)
@training.options
@click.option("--epochs", default=20, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=0.05, show_default=True)
def main(
    out: Path,
    samples: Path | None,
    steps: int | None,
    seed: int,
    fast: bool,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> None:
    """Trains, measures, exports; its help text is this file's."""
    runtime.start(seed, fast)
    import paddle

    from digits import data, network
    from paddle_images import export

    train, held_out = data.load()
    net = network.Digits()
    optimizer = paddle.optimizer.Momentum(
        learning_rate,
        parameters=net.parameters(),
        use_nesterov=True,
        weight_decay=1e-4,
    )
    steps = steps or epochs * (len(train.images) // batch_size)
    training.fit(
        net,
        optimizer,
        lambda rows: paddle.nn.functional.cross_entropy(
            net(paddle.to_tensor(train.images[rows])),
            paddle.to_tensor(train.labels[rows]),
        ),
        training.batches(len(train.images), batch_size, seed + 1),
        steps,
    )
    logits = net(paddle.to_tensor(held_out.images)).numpy()
    accuracy = training.accuracy(logits, held_out.labels)
    click.echo(f"accuracy {accuracy:.4f} on {len(held_out.labels)} held-out images", err=True)
    export.save(
        net,
        out,
        name="digits",
        inputs=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")],
        outputs=["logits"],
        metrics={"accuracy": round(accuracy, 6)},
        settings={
            "seed": seed,
            "steps": steps,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
        },
    )
    if samples:
        export.save_samples(
            samples, {"x": held_out.images}, {"logits": logits}, labels=held_out.labels
        )


if __name__ == "__main__":
    main()
