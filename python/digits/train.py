"""Trains a small convolutional network on scikit-learn's handwritten digits and exports it."""

from __future__ import annotations

from paddle_training import classifier, training


@training.program
@training.hyperparameters(epochs=20, learning_rate=0.05)
def main(run: training.Run, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Trains, measures, exports; its help text is this file's."""
    import paddle

    from digits import data, network

    train, held_out = data.load()
    net = network.Digits()
    optimizer = paddle.optimizer.Momentum(
        learning_rate,
        parameters=net.parameters(),
        use_nesterov=True,
        weight_decay=1e-4,
    )
    classifier.train(
        run,
        net,
        optimizer,
        (train.images, train.labels),
        (held_out.images, held_out.labels),
        epochs=epochs,
        batch_size=batch_size,
        name="digits",
        description="Says which digit a handwritten image of 8x8 pixels shows.",
        data={
            "description": f"{len(train.labels)} of the {len(train.labels) + len(held_out.labels)} "
            "images of scikit-learn's digits (test set of UCI's Optical Recognition of Handwritten "
            "Digits); the others are held out",
            "licence": "CC-BY-4.0",
        },
    )


if __name__ == "__main__":
    main()
