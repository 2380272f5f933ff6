"""Text lines rendered from fonts, with what scans and photos do to them.

All of it is integer arithmetic on images that FreeType rasterises in integers too, with random
integers of NumPy's fixed generator: every CPU draws the same lines.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from fontTools.ttLib import TTCollection, TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chinese_ocr.lines import BLANK, HEIGHT, STRIDE, Labelled, frames

WIDTH = 256  # pixels of a rendered line
LENGTHS = (3, 10)  # characters of a line, both included
_SIZES = range(18, 31, 2)  # pixels of a character's height
_MARGIN = 4  # pixels around a glyph in its image, for strokes beyond its advance
_REPEATED = 16  # one character in so many repeats the one before it: CTC must learn to part them
_HELD_OUT = 8  # one text in so many is never trained on
_SUFFIXES = (".otf", ".ttc", ".ttf")
_SIMPLIFIED = (" SC", " CN")  # ends of the names of a collection's faces for simplified Chinese


@dataclass(frozen=True)
class Rendered(Labelled):
    """Labelled lines, all 256 pixels wide, of which it is known where each character stands."""

    classes: NDArray[np.int64]  # [N, 64]: the class that each frame of the network should see


class Font:
    """One face of a font file, and the glyphs drawn of it so far."""

    def __init__(self, path: Path, index: int, characters: frozenset[str]) -> None:
        self.name = path.name
        self._path, self._index = path, index
        self.characters = characters
        self._faces: dict[int, ImageFont.FreeTypeFont] = {}
        self._glyphs: dict[tuple[int, str], tuple[NDArray[np.uint8], int]] = {}

    def glyph(self, character: str, size: int) -> tuple[NDArray[np.uint8], int]:
        """Ink from 0 to 255 around the em box's left upper corner, and the advance in pixels."""
        if (size, character) not in self._glyphs:
            self._glyphs[size, character] = self._draw(character, size)
        return self._glyphs[size, character]

    def _draw(self, character: str, size: int) -> tuple[NDArray[np.uint8], int]:
        if size not in self._faces:
            # Not Raqm: whether Pillow finds that library depends on the machine.
            self._faces[size] = ImageFont.truetype(
                self._path, size, self._index, layout_engine=ImageFont.Layout.BASIC
            )
        face = self._faces[size]
        advance = round(face.getlength(character))
        image = Image.new("L", (advance + 2 * _MARGIN, size + 2 * _MARGIN))
        baseline = _MARGIN + size * 22 // 25  # 0.88 of the em box, as Chinese fonts have it
        ImageDraw.Draw(image).text((_MARGIN, baseline), character, 255, face, anchor="ls")
        return np.asarray(image), advance


class Renderer:
    """Draws lines of random text in random fonts."""

    def __init__(self, fonts: Sequence[Font], characters: Sequence[str]) -> None:
        self._fonts = fonts
        self._classes = {character: i for i, character in enumerate(characters, BLANK + 1)}
        self._known = [[c for c in characters if c in font.characters] for font in fonts]
        for font, known in zip(fonts, self._known, strict=True):
            if len(known) < 2:  # of one no text may ever be on the wanted side of is_held_out
                raise click.UsageError(
                    f"{font.name} has {len(known)} of the characters, and lines need two different "
                    "ones at least: give --characters a file with more."
                )

    def draw(self, rows: int, numbers: np.random.RandomState, held_out: bool = False) -> Rendered:
        """So many lines; equal random numbers draw equal lines.

        Args:
            rows: number of lines.
            numbers: source of all that is random.
            held_out: of the texts that are never trained on, or else of all others.
        """
        images = np.empty((rows, HEIGHT, WIDTH), np.uint8)
        classes = np.full((rows, frames(WIDTH)), BLANK, np.int64)
        texts = []
        for image, row_classes in zip(images, classes, strict=True):
            text, ink = self._line(numbers, held_out, row_classes)
            texts.append(text)
            image[:] = _photograph(ink, numbers)
        return Rendered(list(images), texts, classes)

    def _line(
        self, numbers: np.random.RandomState, held_out: bool, classes: NDArray[np.int64]
    ) -> tuple[str, NDArray[np.int32]]:
        """Draws one line's ink, and writes into `classes` what each frame shows."""
        which = numbers.randint(len(self._fonts))
        font, known = self._fonts[which], self._known[which]
        size = _SIZES[numbers.randint(len(_SIZES))]
        gap = numbers.randint(4)
        while True:
            text = _fitting(_text(known, numbers), font, size, gap)
            if is_held_out(text) == held_out:
                break
        glyphs = [font.glyph(character, size) for character in text]
        length = sum(advance + gap for _, advance in glyphs)
        x = _MARGIN + numbers.randint(WIDTH - 2 * _MARGIN - length + 1)
        y = (HEIGHT - size) // 2 + numbers.randint(-2, 3)
        # Wide enough for margins beyond the edges, which are cut off at the end.
        ink = np.zeros((HEIGHT + 4 * _MARGIN, WIDTH + 4 * _MARGIN), np.int32)
        for character, (glyph, advance) in zip(text, glyphs, strict=True):
            jitter = numbers.randint(-1, 2)
            top, left = y + jitter + _MARGIN, x + _MARGIN
            place = ink[top : top + glyph.shape[0], left : left + glyph.shape[1]]
            np.maximum(place, glyph, out=place)
            # The middle half of a character is its own; blanks part it from the next.
            first = (2 * x + advance // 2) // (2 * STRIDE)
            last = max(first + 1, (4 * x + 3 * advance) // (4 * STRIDE))
            classes[first:last] = self._classes[character]
            x += advance + gap
        cut = slice(2 * _MARGIN, -2 * _MARGIN)
        return text, ink[cut, cut]


def is_held_out(text: str) -> bool:
    """Whether a text is for measuring only: one in eight, by the text alone."""
    return zlib.crc32(text.encode()) % _HELD_OUT == 0


def find_fonts(directory: Path, characters: Sequence[str]) -> list[Font]:
    """The fonts below a directory that have most of the characters, in the order of their paths.

    Says on stderr which characters a font lacks (its lines are drawn without them), and which fonts
    are left out because they lack more than half.

    Raises:
        click.UsageError: no font is left, or none of them has some character.
    """
    fonts, missing = [], set(characters)
    for path in sorted(directory.rglob("*"), key=lambda p: p.relative_to(directory).as_posix()):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        index, has = _face(path)
        lacking = [c for c in characters if c not in has]
        if 2 * len(lacking) > len(characters):
            click.echo(f"{path.name}: not used, it lacks {_listed(lacking)}", err=True)
            continue
        if lacking:
            click.echo(f"{path.name}: drawn without {_listed(lacking)}, which it lacks", err=True)
        fonts.append(Font(path, index, frozenset(characters) - frozenset(lacking)))
        missing -= fonts[-1].characters
    if not fonts:
        raise click.UsageError(
            f"No font for the characters below {directory}. Give --fonts a folder with .ttf, .ttc "
            "or .otf files, such as /usr/share/fonts where Debian's fonts-noto-cjk is installed."
        )
    if missing:
        lacking = [c for c in characters if c in missing]
        raise click.UsageError(
            f"No font below {directory} has {_listed(lacking)}. Add a font that does, or take them "
            "out of --characters."
        )
    return fonts


def default_fonts() -> Path:
    """Bazel's copy beside this program if there is one, else where Debian's packages install."""
    here = Path(__file__).absolute()
    beside: Iterator[Path] = iter(())
    if len(here.parents) > 3:
        beside = here.parents[3].glob("*debian_fonts/root/usr/share/fonts")
    return next(beside, Path("/usr/share/fonts"))


def _face(path: Path) -> tuple[int, set[str]]:
    """The index of a file's face for simplified Chinese, or 0, and all characters that it has."""
    if path.suffix.lower() == ".ttc":
        with TTCollection(path, lazy=True) as collection:
            names = [font["name"].getBestFamilyName() or "" for font in collection]
        index = next((i for i, name in enumerate(names) if name.endswith(_SIMPLIFIED)), 0)
    else:
        index = 0
    with TTFont(path, fontNumber=index, lazy=True) as font:
        return index, {chr(code) for code in font.getBestCmap() or ()}


def _listed(characters: Sequence[str]) -> str:
    shown = "".join(characters[:20])
    return f"{len(characters)} characters: {shown}{'...' if len(characters) > 20 else ''}"


def _text(known: Sequence[str], numbers: np.random.RandomState) -> str:
    least, most = LENGTHS
    text = ""
    for _ in range(numbers.randint(least, most + 1)):
        repeats = numbers.randint(_REPEATED) == 0
        character = known[numbers.randint(len(known))]
        text += text[-1] if text and repeats else character
    return text


def _fitting(text: str, font: Font, size: int, gap: int) -> str:
    """As much of the beginning as has room in the image."""
    room = WIDTH - 2 * _MARGIN
    for length, character in enumerate(text):
        room -= font.glyph(character, size)[1] + gap
        if room < 0:
            return text[:length]
    return text


def _photograph(ink: NDArray[np.int32], numbers: np.random.RandomState) -> NDArray[np.uint8]:
    """Ink [H, W] from 0 to 255 on paper: blurred, in some contrast, unevenly lit, with noise."""
    if numbers.randint(3) == 0:
        ink = _blurred(ink)
    if numbers.randint(3) == 0:
        ink = _blurred(ink.T).T
    paper = numbers.randint(120, 256)
    black = numbers.randint(0, paper - 79)
    slope = numbers.randint(-40, 41)  # from the left end to the right one
    light = slope * (np.arange(ink.shape[1]) - ink.shape[1] // 2) // ink.shape[1]
    amplitude = numbers.randint(0, 25)
    noise = numbers.randint(-amplitude, amplitude + 1, ink.shape)
    image = paper - (paper - black) * ink // 255 + light + noise
    clipped: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return clipped


def _blurred(ink: NDArray[np.int32]) -> NDArray[np.int32]:
    """By 1, 2, 1 along the rows."""
    wide = np.pad(ink, ((0, 0), (1, 1)))
    blurred: NDArray[np.int32] = (wide[:, :-2] + 2 * ink + wide[:, 2:] + 2) // 4
    return blurred
