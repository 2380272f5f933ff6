"""Trains a small convolutional network on scikit-learn's handwritten digits and exports it."""

from __future__ import annotations

import click

from paddle_images import runtime, training


@click.command(help=__doc__)
@training.options
@click.option("--epochs", default=20, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=0.05, show_default=True)
def main(run: training.Run, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Trains, measures, exports; its help text is this file's."""
    runtime.start(run.seed, run.fast)
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
    settings = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": training.digest(train.images, train.labels),
    }
    steps = run.steps or epochs * (len(train.images) // batch_size)
    training.fit(
        net,
        optimizer,
        lambda rows: paddle.nn.functional.cross_entropy(
            net(paddle.to_tensor(train.images[rows])),
            paddle.to_tensor(train.labels[rows]),
        ),
        training.batches(len(train.images), batch_size, run.seed + 1),
        steps,
        run,
        settings,
    )
    logits = net(paddle.to_tensor(held_out.images)).numpy()
    accuracy = training.accuracy(logits, held_out.labels)
    click.echo(f"accuracy {accuracy:.4f} on {len(held_out.labels)} held-out images", err=True)
    run.records.record(steps, accuracy=accuracy)
    export.save(
        net,
        run.out,
        name="digits",
        inputs=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")],
        outputs=["logits"],
        metrics={"accuracy": round(accuracy, 6)},
        settings={"steps": steps, **settings},
        description="Says which digit a handwritten image of 8x8 pixels shows.",
        data={
            "description": f"{len(train.labels)} of the {len(train.labels) + len(held_out.labels)} "
            "images of scikit-learn's digits (test set of UCI's Optical Recognition of Handwritten "
            "Digits); the others are held out",
            "licence": "CC-BY-4.0",
        },
    )
    if run.samples:
        export.save_samples(
            run.samples, {"x": held_out.images}, {"logits": logits}, labels=held_out.labels
        )


if __name__ == "__main__":
    main()
