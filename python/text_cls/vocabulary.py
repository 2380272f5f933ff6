"""From texts to token ids: one token a character, by a file that travels with the model."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "vocabulary.txt"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]")
PAD, UNKNOWN, CLS = range(len(SPECIAL))


def normalise(text: str) -> str:
    """Full-width forms as ASCII, lower case, no white space: what one means in one way."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


@dataclass(frozen=True)
class Vocabulary:
    """Token ids are places in `tokens`, which begin with SPECIAL; all others are characters."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str], least: int) -> Vocabulary:
        """Of the characters that the (normalised) texts have at least so often, frequent first."""
        counts = Counter(c for text in texts for c in text)
        frequent = sorted((-n, c) for c, n in counts.items() if n >= least)
        return cls((*SPECIAL, *(c for _, c in frequent)))

    @classmethod
    def load(cls, model: Path) -> Vocabulary:
        """Of a model's directory."""
        return cls(tuple((model / FILE).read_text(encoding="utf-8").split("\n")[:-1]))

    def save(self, model: Path) -> None:
        """A token a line, the first line's id is 0."""
        text = "".join(f"{token}\n" for token in self.tokens)
        (model / FILE).write_text(text, encoding="utf-8", newline="\n")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.tokens)}

    def encode(self, texts: Sequence[str], length: int | None = None) -> NDArray[np.int64]:
        """Token ids [N, L]: [CLS], a text's characters, [PAD] up to the longest of the texts.

        Args:
            texts: need not be normalised.
            length: of a row at most, [CLS] included; longer texts lose their ends.
        """
        rows = [
            [CLS, *(self._ids.get(c, UNKNOWN) for c in normalise(text))][:length] for text in texts
        ]
        ids = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        return ids
