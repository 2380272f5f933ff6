"""Trains the smallest dynamic-to-static network on ten noisy patterns and exports it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paddle_training import classifier, training

NOISE = 2.0  # standard deviation; that of the patterns is 1


def draw(
    patterns: NDArray[np.float32], rows: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images that each show one of the patterns under noise, and which one it is."""
    numbers = np.random.RandomState(seed)
    labels = numbers.randint(0, len(patterns), rows).astype(np.int64)
    noise = numbers.standard_normal((rows, *patterns.shape[1:]))
    return (patterns[labels] + NOISE * noise).astype(np.float32), labels


@training.program
@training.hyperparameters(epochs=2, learning_rate=0.0005, batch_size=16)
def main(run: training.Run, epochs: int, batch_size: int, learning_rate: float) -> None:
    """Trains, measures, exports; its help text is this file's."""
    import paddle

    from simple_cnn import network

    patterns = np.random.RandomState(0).standard_normal((10, 3, 32, 32)).astype(np.float32)
    net = network.SimpleCNN()
    classifier.train(
        run,
        net,
        paddle.optimizer.Momentum(learning_rate, parameters=net.parameters()),
        draw(patterns, 480, seed=1),
        draw(patterns, 64, seed=2),
        epochs=epochs,
        batch_size=batch_size,
        name="simple_cnn",
        description="Says which of ten fixed patterns a noisy image shows: a smallest example.",
        data={"description": "generated from fixed seeds"},
    )


if __name__ == "__main__":
    main()
