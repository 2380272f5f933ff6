"""What a text line is to the network, and how images of any kind become one.

A folder of labelled lines is what PaddleOCR takes as well: images, and `rec_gt.txt` with one
"FILE<TAB>TEXT" a line.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

HEIGHT = 32  # pixels
STRIDE = 4  # pixels of width that one frame of the output stands for
BLANK = 0  # CTC's class for "no character here"; character i of a set is class i + 1
LABELS = "rec_gt.txt"
CHARACTERS = "characters.txt"  # beside an exported model: those it knows, one a line

_SPLIT_SEED = 0  # no option: accuracies of different runs stay comparable
_SHOWN = 10  # mistakes of a folder that are listed
_WIDEST = 4096  # pixels at HEIGHT: a line of more than a hundred characters


class LineError(click.ClickException):
    """Lines or characters that cannot be used; the message says which, and what to do."""


@dataclass(frozen=True)
class Labelled:
    """Line images, each [32, its width] from black 0 to white 255, and what they say."""

    images: list[NDArray[np.uint8]]
    texts: list[str]

    def __add__(self, other: Labelled) -> Labelled:
        """These lines, then the others."""
        return Labelled(self.images + other.images, self.texts + other.texts)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Labelled:
        """The lines of the given numbers."""
        return Labelled([self.images[i] for i in rows], [self.texts[i] for i in rows])

    def split(self) -> tuple[Labelled, Labelled]:
        """Lines to train on, and a tenth (one at least) held out, the same ones each time."""
        order = np.random.RandomState(_SPLIT_SEED).permutation(len(self.texts))
        held_out = max(1, len(order) // 10)
        return self.take(order[held_out:]), self.take(order[:held_out])


def frames(width: int) -> int:
    """How many frames the network makes of an image of that width."""
    return -(-width // STRIDE)


def frames_needed(text: str) -> int:
    """How many frames CTC needs at least: one a character, and a blank between equal ones."""
    return len(text) + sum(a == b for a, b in itertools.pairwise(text))


def default_characters() -> list[str]:
    """The 400 most frequent Chinese characters, digits and punctuation; see docs/ocr.md."""
    return read_characters(Path(__file__).with_name(CHARACTERS))


def read_characters(path: Path) -> list[str]:
    """The set of a file with one character a line, in its order.

    Raises:
        LineError: the file cannot be read, or a line is not one character, or one comes twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LineError(f"{path}: {_reason(error)}") from error
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if len(line) != 1:
            raise LineError(f"{path}:{number}: {line!r} is not one character")
        if line in seen:
            raise LineError(f"{path}:{number}: {line} is in line {seen[line]} already")
        seen[line] = number
    if not seen:
        raise LineError(f"{path}: no characters; write one a line, in UTF-8")
    return list(seen)


def load_image(path: Path) -> NDArray[np.uint8]:
    """Any image as a grey line [32, W] from black 0 to white 255, its proportions kept.

    Raises:
        LineError: it cannot be read, or is longer than a line can be.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits; Pillow would cut them off at 255
                image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise LineError(f"{path}: no readable image: {_reason(error)}") from error
    width = max(STRIDE, round(image.width * HEIGHT / image.height))
    if width > _WIDEST:
        raise LineError(
            f"{path}: {image.width} x {image.height} pixels is {width} wide at a height of "
            f"{HEIGHT}, and a line may be {_WIDEST}. Cut it into shorter lines."
        )
    return np.asarray(image.resize((width, HEIGHT), Image.Resampling.BILINEAR))


def load_labelled(folder: Path, characters: Sequence[str]) -> Labelled:
    """The lines of a folder with rec_gt.txt, or of such a file with paths relative to it.

    Raises:
        LineError: tells of every line that cannot be trained on (the first ten of them).
    """
    labels = folder if folder.is_file() else folder / LABELS
    try:
        rows = labels.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LineError(
            f"{labels}: {_reason(error)}. It should hold a line FILE<TAB>TEXT for each image, in "
            "UTF-8."
        ) from error
    known, unknown = set(characters), dict[str, None]()
    mistakes = []
    images, texts = [], []
    for number, row in enumerate(rows, 1):
        if not row.strip():
            continue
        file, tab, text = row.partition("\t")
        where = f"{labels}:{number}"
        if not tab or not file or not text:
            mistakes.append(f"{where}: {row!r} is not FILE<TAB>TEXT")
            continue
        unknown.update(dict.fromkeys(c for c in text if c not in known))
        try:
            image = load_image(labels.parent / file)
        except LineError as error:
            mistakes.append(f"{where}: {error.message}")
            continue
        has, needs = frames(image.shape[1]), frames_needed(text)
        if has < needs:
            mistakes.append(
                f"{where}: {file} is {image.shape[1]} pixels wide at a height of {HEIGHT}, which "
                f"is {has} frames; its text of {len(text)} characters needs {needs}"
            )
        images.append(image)
        texts.append(text)
    if unknown:
        mistakes.insert(
            0,
            f"{labels}: characters that the model does not know: {''.join(unknown)}. Give "
            "--characters a file with these too, one a line.",
        )
    if mistakes:
        more = len(mistakes) - _SHOWN
        shown = mistakes if more <= 0 else [*mistakes[:_SHOWN], f"... and {more} more"]
        raise LineError("\n".join(shown))
    if len(images) < 2:
        raise LineError(
            f"{labels}: {len(images)} lines. At least two are needed, one to train on and one to "
            "measure on: write FILE<TAB>TEXT for each image."
        )
    return Labelled(images, texts)


def padded(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lines of several widths as one array [N, 32, widest]: their last columns go on."""
    widest = max(image.shape[1] for image in images)
    return np.stack([np.pad(i, ((0, 0), (0, widest - i.shape[1])), mode="edge") for i in images])


def to_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """From [N, 32, W], black 0 to white 255, to what the network takes: [N, 1, 32, W], -1 to 1."""
    grey: NDArray[np.float32] = images[:, None].astype(np.float32)
    return grey / np.float32(127.5) - np.float32(1)


def to_classes(texts: Sequence[str], characters: Sequence[str]) -> NDArray[np.int64]:
    """The classes of texts' characters [N, longest]; BLANK fills up the shorter ones."""
    class_of = {character: i for i, character in enumerate(characters, BLANK + 1)}
    classes = np.full((len(texts), max(map(len, texts))), BLANK, np.int64)
    for row, text in zip(classes, texts, strict=True):
        row[: len(text)] = [class_of[c] for c in text]
    return classes


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
