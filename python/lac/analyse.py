"""Cuts Chinese sentences into words and tags them, by the C++ engine.

Without SENTENCES, each line of the standard input is one. Prints WORD/TAG pairs, a line a sentence.

Tags: n v a d m q r p c u f s t w and others are parts of speech (noun, verb, adjective, adverb,
numeral, measure word, pronoun, preposition, conjunction, particle, direction, place, time,
punctuation); PER, LOC, ORG and TIME are names.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import paddle_engine

from lac.lexicon import Lexicon
from paddle_training import paths


class Analyser:
    """The model with its dictionaries. One thread at a time."""

    def __init__(self, model: Path) -> None:
        """Loads a directory of the model //python/lac.

        Raises OSError for a missing file, paddle_engine.EngineError for a damaged one.
        """
        self._lexicon = Lexicon(model)
        self._engine = paddle_engine.Engine(model)

    def analyse(self, texts: Sequence[str]) -> list[list[tuple[str, str]]]:
        """Words and tags of each sentence; nothing for an empty one."""
        given = [text for text in texts if text]
        if not given:
            return [[] for _ in texts]
        pieces, words, lod = self._lexicon.batch(given)
        outputs = self._engine.run({"words": paddle_engine.LoDTensor(words, [lod])})
        tags = outputs["tags"]
        assert isinstance(tags, paddle_engine.LoDTensor)
        results = iter(self._lexicon.unbatch(pieces, tags.data, tags.lod[0]))
        return [next(results) if text else [] for text in texts]


@click.command(help=__doc__)
@click.option(
    "--model",
    required=True,
    default=paths.brought_along("LAC_MODEL"),
    type=paths.UserPath(exists=True, file_okay=False),
    help="Folder with the model and its dictionaries.",
)
@click.argument("sentences", nargs=-1)
def main(model: Path, sentences: tuple[str, ...]) -> None:
    """Prints; its help text is this file's."""
    try:
        analyser = Analyser(model)
    except (OSError, paddle_engine.EngineError) as error:
        raise click.ClickException(
            f"{error}. `./bazelw build //python/lac` makes the model"
        ) from error
    for sentence in sentences or sys.stdin:
        (words,) = analyser.analyse([sentence.strip("\r\n")])
        click.echo(" ".join(f"{word}/{tag}" for word, tag in words))


if __name__ == "__main__":
    main()
