"""From a network's frames to text, and how right that text is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chinese_ocr.lines import BLANK


@dataclass(frozen=True)
class Line:
    """What was read."""

    text: str
    confidence: float  # mean probability of the characters' frames, 0 to 1; 0 for no text


def decode(logits: NDArray[np.float32], characters: Sequence[str]) -> Line:
    """Greedy CTC: the likeliest class of each frame; repetitions are one, then blanks go.

    Args:
        logits: [frames, 1 + characters].
        characters: the set that the network was trained for, in its order.
    """
    best = logits.argmax(axis=1)
    kept = (best != BLANK) & (best != np.concatenate([[BLANK], best[:-1]]))
    odds = np.exp(logits[kept].astype(np.float64) - logits[kept].max(axis=1, keepdims=True))
    text = "".join(characters[c - 1] for c in best[kept])
    return Line(text, float((1 / odds.sum(axis=1)).mean()) if text else 0.0)


def distance(a: str, b: str) -> int:
    """The fewest insertions, deletions and replacements that make one text of the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def accuracies(read: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """How right the texts are that were read of lines.

    Returns:
        characters: 1 - (sum of edit distances) / (sum of the true texts' lengths), which is
            1 - the character error rate; below 0 where more is wrong than there is.
        lines: the share of lines without an error.
    """
    errors = sum(distance(r, t) for r, t in zip(read, true, strict=True))
    right = sum(r == t for r, t in zip(read, true, strict=True))
    return {
        "characters": round(1 - errors / sum(map(len, true)), 6),
        "lines": round(right / len(true), 6),
    }
