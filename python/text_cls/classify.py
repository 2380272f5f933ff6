"""Says of Chinese sentences, each an argument or a line of the input, which class they are.

Prints the class, its probability and the sentence, with tabs between them. It runs the model in
this process, by the C++ engine.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import paddle_engine
from numpy.typing import NDArray

from paddle_training import paths
from text_cls.vocabulary import Vocabulary

_BATCH = 128


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax of the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@click.command(help=__doc__)
@click.option(
    "--model",
    required=True,
    default=paths.brought_along("TEXT_CLS_MODEL"),
    type=paths.UserPath(exists=True, file_okay=False),
    help="Folder of a model that //python/text_cls:train wrote.",
)
@click.argument("sentences", nargs=-1)
def main(model: Path, sentences: tuple[str, ...]) -> None:
    """Its help text is this file's."""
    try:
        vocabulary = Vocabulary.load(model)
        classes = (model / "classes.txt").read_text(encoding="utf-8").split()
        engine = paddle_engine.Engine(model)
    except (OSError, paddle_engine.EngineError) as error:
        raise click.ClickException(f"{model} is no model of text_cls: {error}") from error
    lines = click.open_file("-", encoding="utf-8")
    texts = list(sentences) or [line.strip() for line in lines]
    for first in range(0, len(texts), _BATCH):
        batch = texts[first : first + _BATCH]
        logits = engine.run({"token_ids": vocabulary.encode(batch)})["logits"]
        for text, row in zip(batch, probabilities(logits), strict=True):
            click.echo(f"{classes[row.argmax()]}\t{row.max():.4f}\t{text}")


if __name__ == "__main__":
    main()
