"""How far a text that was read is from the true one, in characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DROPPED = re.compile(r"[^\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af0-9A-Za-z]")
_RESAMPLED = 2000
_SEED = 20261128
_SURE = (2.5, 97.5)  # per cent


def scored(text: str) -> str:
    """Its Han characters, digits and Latin letters, after NFKC: no spaces, no punctuation."""
    return _DROPPED.sub("", unicodedata.normalize("NFKC", text))


def _table(read: str, true: str) -> NDArray[np.int32]:
    """Edits from each beginning of one to each beginning of the other."""
    columns = np.arange(len(true) + 1, dtype=np.int32)
    codes = np.array([ord(c) for c in true], np.int32)
    rows = np.empty((len(read) + 1, len(true) + 1), np.int32)
    rows[0] = columns
    for i, character in enumerate(read, 1):
        before = rows[i - 1]
        row = before + 1
        row[1:] = np.minimum(row[1:], before[:-1] + (codes != ord(character)))
        # What a character that is missing adds goes on along the row.
        rows[i] = np.minimum.accumulate(row - columns) + columns
    return rows


def distance(read: str, true: str) -> int:
    """The fewest characters that are put in, left out and replaced, one for the other."""
    return int(_table(read, true)[-1, -1])


def aligned(lines: Sequence[str], true: str) -> list[str]:
    """What of the true text each line stands for, where the fewest edits are."""
    read = "".join(lines)
    rows = _table(read, true)
    i, j = len(read), len(true)
    ends = [0] * (len(read) + 1)  # after so many characters that were read, so many true ones
    ends[i] = j
    while i > 0:
        if j > 0 and rows[i, j] == rows[i - 1, j - 1] + (read[i - 1] != true[j - 1]):
            i, j = i - 1, j - 1
        elif rows[i, j] == rows[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
            continue
        ends[i] = j
    found, start = [], 0
    for line in lines:
        found.append(true[ends[start] : ends[start + len(line)]])
        start += len(line)
    return found


@dataclass(frozen=True)
class Rate:
    """Edits by true characters, and where that is by 95 %, by the bootstrap over pictures."""

    value: float
    least: float
    most: float


def _resampled(count: int) -> NDArray[np.int64]:
    return np.random.RandomState(_SEED).randint(0, count, (_RESAMPLED, count))


def _rate(values: NDArray[np.float64], value: float) -> Rate:
    least, most = np.percentile(values, _SURE)
    return Rate(value, float(least), float(most))


def error_rate(edits: Sequence[int], characters: Sequence[int]) -> Rate:
    """Of pictures of so many characters each."""
    e, c = np.array(edits, np.float64), np.array(characters, np.float64)
    some = _resampled(len(e))
    return _rate(e[some].sum(axis=1) / c[some].sum(axis=1), float(e.sum() / c.sum()))


def difference(ours: Sequence[int], theirs: Sequence[int], characters: Sequence[int]) -> Rate:
    """By how much the first's rate is above the second's, on the same pictures."""
    return error_rate([a - b for a, b in zip(ours, theirs, strict=True)], characters)
