"""From Chinese text to the numbers that the LAC model takes, and from its tags to words.

The model reads a sentence as pieces: frequent words as a whole, all else character by character.
Dictionaries and rules are those of the package LAC 2.1.2, so pieces, and hence results, are equal
to its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# word.dic: number of each piece; tag.dic: name of each tag; q2b.dic: other ways to write a
# character (full width, traditional); small_seg.dic: frequent words and how often they occur.
FILES = ("word.dic", "tag.dic", "q2b.dic", "small_seg.dic")

_UNKNOWN = "OOV"
_ALPHANUMERIC = re.compile("[a-zA-Z0-9]")


class Lexicon:
    """The dictionaries that lie beside the model."""

    def __init__(self, directory: Path) -> None:
        """Reads `FILES` of a directory; OSError if one is not there."""
        # Where a name or number stands twice, the later line counts.
        self._ids = {name: int(number) for number, name in _pairs(directory / "word.dic")}
        self._tags = {int(number): name for number, name in _pairs(directory / "tag.dic")}
        self._normal = dict(_pairs(directory / "q2b.dic"))
        # Length of each frequent word, 0 for what only begins one.
        self._lengths: dict[str, int] = {}
        total = 0
        for line in _lines(directory / "small_seg.dic"):
            word, count = line.strip().split(" ")
            total += int(count)
            self._lengths[word] = len(word)
            for end in range(1, len(word)):
                self._lengths.setdefault(word[:end], 0)
        self._log_total = math.log(total)

    def encode(self, text: str) -> tuple[list[str], list[int]]:
        """The pieces of a sentence and their numbers."""
        pieces = []
        for word in self._cut(text):
            pieces += [word] if word in self._ids else list(word)
        unknown = self._ids[_UNKNOWN]
        return pieces, [self._ids.get(self._normal.get(p, p), unknown) for p in pieces]

    def batch(self, texts: Sequence[str]) -> tuple[list[list[str]], NDArray[np.int64], list[int]]:
        """Sentences as the model takes them; none of them may be empty.

        Returns:
            The pieces of each sentence, the input words int64[pieces of all, 1], and the offsets of
            the sentences in it (LoD).
        """
        encoded = [self.encode(text) for text in texts]
        numbers = [number for _, ids in encoded for number in ids]
        lod = [0]
        for _, ids in encoded:
            lod.append(lod[-1] + len(ids))
        return [p for p, _ in encoded], np.array(numbers, np.int64).reshape(-1, 1), lod

    def decode(self, pieces: Sequence[str], tags: Sequence[int]) -> list[tuple[str, str]]:
        """Joins pieces to words with their tags, such as ("百度", "ORG").

        A tag says of which kind a word is, and whether its piece begins one ("ORG-B") or goes on
        with it ("ORG-I"). The kind of a word is that of its last piece.
        """
        words: list[tuple[str, str]] = []
        for piece, number in zip(pieces, tags, strict=True):
            kind, _, place = self._tags[number].rpartition("-")
            if words and place != "B":
                words[-1] = (words[-1][0] + piece, kind)
            else:
                words.append((piece, kind))
        return words

    def unbatch(
        self, pieces: Sequence[Sequence[str]], tags: NDArray[np.int64], lod: Sequence[int]
    ) -> list[list[tuple[str, str]]]:
        """Takes the model's output for `batch` apart: words and kinds of each sentence."""
        flat = tags.ravel().tolist()
        return [
            self.decode(sentence, flat[begin:end])
            for sentence, begin, end in zip(pieces, lod[:-1], lod[1:], strict=True)
        ]

    def _cut(self, text: str) -> list[str]:
        """Cuts a sentence into frequent words and characters; runs of letters and digits stay one.

        Of all ways to cut, the one with the greatest sum of log(length / total) over its words;
        found from the end on, and of two equal ones that with the longer first word.
        """
        best: list[tuple[float, int]] = [(0.0, 0)] * (len(text) + 1)
        for begin in reversed(range(len(text))):
            best[begin] = max(
                (
                    math.log(self._lengths.get(text[begin:end]) or 1)
                    - self._log_total
                    + best[end][0],
                    end,
                )
                for end in self._ends(text, begin)
            )
        words: list[str] = []
        begin, joined = 0, False
        while begin < len(text):
            word = text[begin : best[begin][1]]
            begin = best[begin][1]
            alphanumeric = len(word) == 1 and _ALPHANUMERIC.match(word) is not None
            if alphanumeric and joined:
                words[-1] += word
            else:
                words.append(word)
            joined = alphanumeric
        return words

    def _ends(self, text: str, begin: int) -> Iterator[int]:
        """Where a word that begins here may end."""
        yield begin + 1
        for end in range(begin + 1, len(text) + 1):
            length = self._lengths.get(text[begin:end])
            if length is None:
                return
            if length > 1:
                yield end


def _lines(path: Path) -> Iterator[str]:
    # Not splitlines: some pieces are characters that it takes for the end of a line.
    with path.open(encoding="utf-8") as file:
        yield from (line.strip("\n") for line in file)


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a dictionary that have two fields, separated by a tab."""
    for line in _lines(path):
        fields = line.split("\t")
        if len(fields) == 2:
            yield fields[0], fields[1]
