"""Reads the text of pictures: the C++ pipeline that the server reads with, for Python.

    from paddle_engine import ocr

    reader = ocr.Reader("models/ppocrv4_det", "models/ppocrv4_rec")
    page = reader.read("page.png")
    for line in page.lines:
        print(line.text, line.score, line.box)

The answers are those of the server with the same models and settings, to the bit.

Models are folders as `paddle_engine.Engine` takes them: a detector of lines and a recogniser as
PP-OCR has them, beside the recogniser `characters.txt` or PaddleOCR's `inference.yml`; and, if
lines may stand on their heads, a classifier that tells so.

Pictures are JPEG, PNG, BMP or WebP, of up to 40 million pixels and 32 MiB, turned as their EXIF
data say. Nothing but their header is looked at before these limits are.

Threads: one reader may be used by many, which wait for each other where they want the same model.
To read at the same time, give each thread a `clone()`, which shares the weights. The GIL is
released but for moments between the steps.

Errors: ValueError for a picture that cannot be read, in the words of the server, for wrong options,
and for models that take no pictures; FileNotFoundError for a missing file of a model; OSError for
the file of a picture that cannot be opened; EngineError for all else.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from . import Engine, _ocr

__all__ = ["Line", "Milliseconds", "Page", "Point", "Reader"]

Point: TypeAlias = tuple[float, float]
"""x from the left and y from the top, in pixels of the picture as it is seen."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text."""

    text: str
    score: float
    """How sure the recogniser is of it, from 0 to 1, by the mean of its characters."""
    box: tuple[Point, Point, Point, Point]
    """Its corners, clockwise from its upper left, however the text runs."""


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """What the steps of a page took, with what they waited for a model that others used."""

    decode: float
    """From the file to pixels."""
    detect: float
    """From pixels to lines."""
    read: float
    """From lines to their text."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is on a picture."""

    width: int
    """Of the picture as it is seen, in pixels."""
    height: int
    lines: tuple[Line, ...]
    """In the order of reading."""
    milliseconds: Milliseconds

    @property
    def text(self) -> str:
        """All lines, with a line feed between them."""
        return "\n".join(line.text for line in self.lines)


def _runner(engine: Engine) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The model as a function of its one input, for its first output."""
    (spec,) = engine.inputs
    first = engine.outputs[0].name
    return lambda values: engine.run({spec.name: values})[first]


class Reader:
    """Reads pictures by a detector of lines, a recogniser and, if there is one, a classifier.

    `limit`, `side`, `longest_side`, `box_score`, `unclip_ratio` and `min_score` are the server's
    flags --ocr_limit and so on, with its defaults; `threads` and `cpu_engine` are those of
    `paddle_engine.Engine`, for each model.

    limit: "min": a page is made larger for the detector until its shorter side has `side` pixels;
        "max": or smaller, until its longer one has. PP-OCRv5's detector is for side=64.
    longest_side: so many pixels has its longer side at most: memory goes with its area.
    box_score: what the detector gives a line at least, from 0 to 1; None: as inference.yml beside
        it says, or 0.5.
    unclip_ratio: how far boxes reach beyond the middle of lines; None: as inference.yml says, or
        1.6.
    min_score: lines whose score is below, from 0 to 1, are left out.
    """

    def __init__(
        self,
        detector: str | os.PathLike[str],
        recogniser: str | os.PathLike[str],
        classifier: str | os.PathLike[str] | None = None,
        *,
        limit: Literal["min", "max"] = _ocr.LIMIT,
        side: int = _ocr.SIDE,
        longest_side: int = _ocr.LONGEST_SIDE,
        box_score: float | None = None,
        unclip_ratio: float | None = None,
        min_score: float = _ocr.MIN_SCORE,
        threads: int = 1,
        cpu_engine: Literal["onednn", "openvino", "plain", "openvino_bfloat16"] = "onednn",
    ) -> None:
        settings = _ocr.Settings(
            limit=limit,
            side=side,
            longest_side=longest_side,
            box_score=box_score,
            unclip_ratio=unclip_ratio,
            min_score=min_score,
        )

        def load(folder: str | os.PathLike[str]) -> Engine:
            engine = Engine(folder, threads, cpu_engine)
            _ocr.check_model(os.fspath(folder), engine.inputs, engine.outputs)
            return engine

        self._detector = load(detector)
        self._recogniser = load(recogniser)
        self._classifier = None if classifier is None else load(classifier)
        self._pipeline = _ocr.Pipeline(
            settings,
            os.fspath(detector),
            os.fspath(recogniser),
            self._recogniser.inputs[0].shape,
        )

    def read(self, picture: bytes | bytearray | memoryview | str | os.PathLike[str]) -> Page:
        """The text of a picture: of the bytes of its file, or of the file with this path."""
        if isinstance(picture, bytes | bytearray | memoryview):
            return self._read(bytes(picture))
        if not isinstance(picture, str | os.PathLike):
            raise TypeError(
                "a picture is the bytes of its file, or the path of that, not "
                f"{type(picture).__module__}.{type(picture).__qualname__}"
            )
        path = Path(picture)
        try:
            return self._read(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def _read(self, file: bytes) -> Page:
        answer, milliseconds = self._pipeline.read(
            file,
            _runner(self._detector),
            _runner(self._recogniser),
            None if self._classifier is None else _runner(self._classifier),
        )
        page = json.loads(answer)
        lines = []
        for line in page["lines"]:
            first, second, third, fourth = ((float(x), float(y)) for x, y in line["box"])
            lines.append(Line(line["text"], float(line["score"]), (first, second, third, fourth)))
        return Page(page["width"], page["height"], tuple(lines), Milliseconds(*milliseconds))

    def clone(self) -> "Reader":
        """A reader for another thread. It shares the weights."""
        clone = object.__new__(Reader)
        clone._pipeline = self._pipeline
        clone._detector = self._detector.clone()
        clone._recogniser = self._recogniser.clone()
        clone._classifier = self._classifier and self._classifier.clone()
        return clone

    def release(self) -> None:
        """Gives the system what reading has taken, down to the weights."""
        for engine in (self._detector, self._recogniser, self._classifier):
            if engine is not None:
                engine.release()
