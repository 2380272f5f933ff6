"""What the slimming programs need to know of a model: its network, data, loss and metric.

A task more is a function here that returns a Task, and its name in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddle_training import training

Arrays = list[NDArray[Any]]

_HELD_OUT_LINES = 512  # rendered ones, of chinese_ocr


@dataclass(frozen=True)
class Task:
    """A model that was trained in float, and how to train it further and to judge it."""

    # The network as it was exported: its parameters have the names of those in the model's files.
    network: Callable[[], Any]
    # A smaller one for the same task, to be taught by it, if there is one.
    student: Callable[[], Any] | None
    inputs: Sequence[Any]  # paddle.static.InputSpec, with names
    outputs: Sequence[str]
    # How many rows there are to train on, and the inputs and targets of some of them. Rows that are
    # made on the fly are made of their numbers.
    rows: int
    batch: Callable[[NDArray[np.int64]], tuple[Arrays, Any]]
    # From what the network gives and the targets to a tensor to go back from.
    loss: Callable[[Any, Any], Any]
    # Rows that nothing is trained on, to compare runtimes by, and their labels.
    samples: Arrays
    labels: NDArray[np.int64]
    # What a model is judged by: a name, and a number from 0 to 1 (1 is best) that is found out by
    # asking the model, which is given as a function from inputs to outputs.
    metric: str
    measure: Callable[[Callable[[Arrays], Arrays]], float]
    # Digest of the data: a checkpoint of other data is refused by it.
    digest: str
    # From a learning rate and the network's parameters to an optimizer with portable bits.
    optimizer: Callable[[float, Sequence[Any]], Any]


def _digits(_float_model: Path) -> Task:
    import paddle

    from digits import data, network

    train, held_out = data.load()
    return Task(
        network=network.Digits,
        student=lambda: network.Digits(width=8),
        inputs=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")],
        outputs=["logits"],
        rows=len(train.images),
        batch=lambda rows: ([train.images[rows]], paddle.to_tensor(train.labels[rows])),
        loss=paddle.nn.functional.cross_entropy,
        samples=[held_out.images],
        labels=held_out.labels,
        metric="accuracy",
        measure=lambda run: training.accuracy(run([held_out.images])[0], held_out.labels),
        digest=training.digest(train.images, train.labels),
        optimizer=lambda rate, parameters: paddle.optimizer.Momentum(
            rate, parameters=parameters, use_nesterov=True, weight_decay=1e-4
        ),
    )


def _chinese_ocr(float_model: Path) -> Task:
    import paddle

    from chinese_ocr import ctc, lines, network, render, train

    characters = lines.read_characters(float_model / lines.CHARACTERS)
    renderer = render.Renderer(render.find_fonts(render.default_fonts(), characters), characters)
    # Of texts that the renderer keeps apart, so that no training has seen them.
    held_out = renderer.draw(_HELD_OUT_LINES, np.random.RandomState(1), held_out=True)

    def batch(rows: NDArray[np.int64]) -> tuple[Arrays, list[str]]:
        drawn = renderer.draw(len(rows), np.random.RandomState(rows.tolist()))
        return [lines.to_input(lines.padded(drawn.images))], drawn.texts

    def measure(run: Callable[[Arrays], Arrays]) -> float:
        """Each line by itself, as a client would ask."""
        logits = (run([lines.to_input(lines.padded([i]))])[0][0] for i in held_out.images)
        read = [ctc.decode(frames, characters).text for frames in logits]
        return ctc.accuracies(read, held_out.texts)["characters"]

    return Task(
        network=lambda: network.Recogniser(1 + len(characters)),
        student=None,
        inputs=[paddle.static.InputSpec([None, 1, lines.HEIGHT, None], "float32", "image")],
        outputs=["logits"],
        rows=1 << 20,  # a row is the seed of a line
        batch=batch,
        loss=lambda logits, texts: train.ctc_loss(logits, texts, characters),
        samples=[lines.to_input(lines.padded(held_out.images[: train.SAMPLES]))],
        labels=lines.to_classes(held_out.texts[: train.SAMPLES], characters),
        metric="characters",
        measure=measure,
        digest=training.digest(*held_out.images, lines.to_classes(held_out.texts, characters)),
        optimizer=lambda rate, parameters: paddle.optimizer.Lamb(rate, parameters=parameters),
    )


# Called with the float model's folder, where character sets and the like lie, and after
# runtime.start: only then may paddle be imported.
TASKS: Mapping[str, Callable[[Path], Task]] = {"chinese_ocr": _chinese_ocr, "digits": _digits}
