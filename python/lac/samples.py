"""Writes the sentences of sentences.py as the model takes them: words.npy and words.lod.npy."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from lac.lexicon import Lexicon
from lac.sentences import TAGGED

_NEW = click.Path(dir_okay=False, path_type=Path)


@click.command(help=__doc__)
@click.option("--lexicon", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--words", type=_NEW, required=True)
@click.option("--offsets", type=_NEW, required=True)
def main(lexicon: Path, words: Path, offsets: Path) -> None:
    """Encodes; its help text is this file's."""
    _, numbers, lod = Lexicon(lexicon).batch(list(TAGGED))
    np.save(words, numbers)
    np.save(offsets, np.array(lod, np.int64))


if __name__ == "__main__":
    main()
