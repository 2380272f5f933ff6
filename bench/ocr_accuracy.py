"""How many characters are read wrongly: PP-OCR in our server, and other readers.

    ./bazelw run //bench:ocr_accuracy [-- --pages 6 --lines 60 --against tesseract --out FOLDER]

Pages of Debian's Chinese PDFs, whose text is in them, at three resolutions, and lines of them drawn
alone in other fonts; each also as a photograph: on a desk, turned, from aside, in uneven light,
unsharp, as JPEG. All is drawn from a seed. Han characters, digits and Latin letters count, after
NFKC; spaces and punctuation do not. Pages are read in the order that a reader gives, against the
order that the document has. Writes ocr_accuracy.json and ocr_accuracy.html, a page that needs
nothing but itself and shows the lines that were read worst.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bench import documents, folders, page
from bench.characters import Rate, aligned, difference, distance, error_rate, scored
from bench.documents import Sample
from bench.measure import machine
from bench.readers import OTHER_MODELS, SAME_MODELS, Ours, reading

V4, V5, V5_ENLARGED = "ours, v4", "ours, v5", "ours, v5, as RapidOCR"
OURS = {
    V4: Ours("SERVER", ()),
    # PaddleX enlarges no picture for PP-OCRv5, whose detector takes big characters for lines.
    V5: Ours("SERVER_PADDLE3", ("--ocr_side=64",), "PPOCRV5_DET", "PPOCRV5_REC"),
    V5_ENLARGED: Ours("SERVER_PADDLE3", (), "PPOCRV5_DET", "PPOCRV5_REC"),
}
TESSERACT = "tesseract"
PEERS = (*SAME_MODELS, *OTHER_MODELS, TESSERACT)
# Each of ours, and the reader with the same models that it is held to.
_REFERENCES = {V4: "rapidocr_paddle", V5_ENLARGED: "rapidocr 3, v5"}
_WORST_LINES, _WORST_PAGES = 12, 3
_LEAST_CHARACTERS = 4  # of a line that is shown
_SHOWN_WIDTH = 620  # pixels


@dataclass(frozen=True)
class Reading:
    """What one reader found on one picture."""

    sample: Sample
    lines: list[dict[str, Any]]

    @property
    def read(self) -> list[str]:
        return [scored(line["text"]) for line in self.lines]

    @property
    def true(self) -> str:
        return scored(self.sample.true)

    def edits(self) -> int:
        return distance("".join(self.read), self.true)


class _Tesseract:
    """Debian's, with its model for simplified Chinese."""

    def read(self, sample: Sample) -> list[dict[str, Any]]:
        # 3 finds blocks on a page, 6 takes the picture for one.
        mode = "6" if sample.kind.startswith(documents.LINES) else "3"
        command = [str(Path(os.environ["TESSERACT"]).absolute()), str(sample.path), "stdout"]
        command += ["-l", "chi_sim", "--psm", mode]
        data = Path(os.environ["OCR_ROOT"]).absolute() / "usr/share/tesseract-ocr/5/tessdata"
        env = os.environ | {"OMP_THREAD_LIMIT": "1", "TESSDATA_PREFIX": str(data)}
        done = processes.run(command, env=env)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise UserError(f"{' '.join(command)} failed: {said}")
        return [{"text": line} for line in done.stdout.decode().splitlines() if line.strip()]


@contextmanager
def _started(folder: Path, name: str) -> Iterator[Any]:
    """What reads samples under a name."""
    if name == TESSERACT:
        yield _Tesseract().read
        return
    with reading(folder, name, os.sched_getaffinity(0), OURS) as reader:
        yield lambda sample: reader.read(sample.path)


def _read_all(folder: Path, name: str, samples: Sequence[Sample]) -> list[Reading] | None:
    """None where it failed, which is told; what the others read is worth having all the same."""
    say(f"{name} starts")
    try:
        with _started(folder, name) as read:
            found = [Reading(sample, read(sample)) for sample in samples]
    except UserError as error:
        say(f"{name} failed, and is left out: {error}")
        return None
    say(f"{name} is done")
    return found


@dataclass(frozen=True)
class Cell:
    """A reader's errors on one kind of picture."""

    kind: str
    reader: str
    pictures: int
    characters: int
    edits: int
    rate: Rate


def _cells(kinds: Sequence[str], readings: dict[str, list[Reading]]) -> list[Cell]:
    cells = []
    for kind in kinds:
        for name, found in readings.items():
            of = [reading for reading in found if reading.sample.kind == kind]
            edits, characters = [r.edits() for r in of], [len(r.true) for r in of]
            rate = error_rate(edits, characters)
            cells.append(Cell(kind, name, len(of), sum(characters), sum(edits), rate))
    return cells


def _differences(kinds: Sequence[str], readings: dict[str, list[Reading]]) -> list[dict[str, Any]]:
    """Each of ours against its reference, and v5 against v4, picture by picture."""
    found = []
    for one, other in (*_REFERENCES.items(), (V5, V4)):
        if one not in readings or other not in readings:
            continue
        for kind in kinds:
            pairs = [
                (a.edits(), b.edits(), len(a.true))
                for a, b in zip(readings[one], readings[other], strict=True)
                if a.sample.kind == kind
            ]
            rate = difference(*zip(*pairs, strict=True))
            found.append({"kind": kind, "reader": one, "beside": other, **asdict(rate)})
    return found


def _encoded(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=70)
    return base64.b64encode(stream.getvalue()).decode()


def _cut(sample: Sample, box: Sequence[Sequence[float]]) -> str:
    xs, ys = zip(*box, strict=True)
    margin = 4
    with Image.open(sample.path) as image:
        cut = image.crop(
            (
                max(0, int(min(xs)) - margin),
                max(0, int(min(ys)) - margin),
                min(image.width, int(max(xs)) + margin),
                min(image.height, int(max(ys)) + margin),
            )
        )
    cut.thumbnail((_SHOWN_WIDTH, _SHOWN_WIDTH))
    return _encoded(cut)


def _worst_lines(found: Sequence[Reading]) -> list[dict[str, Any]]:
    """Lines by the share of what is wrong in them, one of a picture at most."""
    worst = []
    for reading_ in found:
        lines = []
        parts = aligned(reading_.read, reading_.true)
        for line, read, true in zip(reading_.lines, reading_.read, parts, strict=True):
            longest = max(len(read), len(true))
            if longest >= _LEAST_CHARACTERS and "box" in line:
                lines.append((distance(read, true) / longest, line, true))
        if lines:
            share, line, true = max(lines, key=lambda found: found[0])
            worst.append((share, reading_.sample, line, true))
    worst.sort(key=lambda found: -found[0])
    return [
        {
            "picture": _cut(sample, line["box"]),
            "name": sample.name,
            "kind": sample.kind,
            "read": line["text"],
            "true": true,
        }
        for share, sample, line, true in worst[:_WORST_LINES]
        if share
    ]


def _worst_pages(found: Sequence[Reading]) -> list[dict[str, Any]]:
    """Whole pictures, with the boxes that were found."""
    pages = [r for r in found if not r.sample.kind.startswith(documents.LINES)]
    pages.sort(key=lambda r: -r.edits() / len(r.true))
    shown = []
    for reading_ in pages[:_WORST_PAGES]:
        with Image.open(reading_.sample.path) as opened:
            image = opened.convert("RGB")
        draw = ImageDraw.Draw(image)
        for line in reading_.lines:
            if "box" in line:
                corners = [tuple(corner) for corner in line["box"]]
                draw.polygon(corners, outline=(220, 40, 40), width=max(2, image.width // 600))
        image.thumbnail((_SHOWN_WIDTH, 2 * _SHOWN_WIDTH))
        shown.append(
            {
                "picture": _encoded(image),
                "name": reading_.sample.name,
                "kind": reading_.sample.kind,
                "edits": reading_.edits(),
                "characters": len(reading_.true),
            }
        )
    return shown


def _per_cent(rate: Rate) -> str:
    return f"{100 * rate.value:.2f} ({100 * rate.least:.2f} - {100 * rate.most:.2f})"


def _table(kinds: Sequence[str], cells: Sequence[Cell]) -> list[str]:
    """A Markdown table: a reader a line, a kind a column."""
    by = {(cell.kind, cell.reader): cell for cell in cells}
    readers = list(dict.fromkeys(cell.reader for cell in cells))
    lines = [f"| reader | {' | '.join(kinds)} |", "| --- " * (len(kinds) + 1) + "|"]
    for name in readers:
        lines.append(f"| {name} | {' | '.join(_per_cent(by[kind, name].rate) for kind in kinds)} |")
    return lines


def _difference_lines(differences: Sequence[dict[str, Any]]) -> list[str]:
    if not differences:
        return []
    lines = ["| of | beside | on | per cent more |", "| --- | --- | --- | --- |"]
    for told in differences:
        rate = Rate(told["value"], told["least"], told["most"])
        lines.append(
            f"| {told['reader']} | {told['beside']} | {told['kind']} | {_per_cent(rate)} |"
        )
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ocr_accuracy", description=(__doc__ or "").split("\n")[0]
    )
    for option, names in (("--ours", OURS), ("--against", PEERS)):
        parser.add_argument(
            option,
            nargs="+",
            choices=names,
            metavar="NAME",
            help=f"of {', '.join(map(repr, names))}; default: all",
        )
    parser.add_argument(
        "--pages", type=int, default=6, help="of each document; default: %(default)s"
    )
    parser.add_argument(
        "--dpi", type=int, nargs="+", default=documents.DPIS, help="default: %(default)s"
    )
    parser.add_argument("--lines", type=int, default=60, help="default: %(default)s")
    parser.add_argument(
        "--jobs", type=int, default=2, help="readers at a time; default: %(default)s"
    )
    folders.add_out(parser.add_argument, "ocr_accuracy.json and ocr_accuracy.html")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = folders.emptied("ocr_accuracy")
    pictures = folder / "pictures"
    pictures.mkdir()
    packages = [Path(name).absolute() for name in os.environ["DOCUMENTS"].split()]
    fonts = Path(os.environ["FONTS"]).absolute()
    say("drawing")
    samples = documents.samples(packages, fonts, pictures, args.pages, args.dpi, args.lines)
    names = [*(args.ours or OURS), *(args.against or PEERS)]
    with ThreadPoolExecutor(args.jobs) as pool:
        found = pool.map(lambda name: _read_all(folder, name, samples), names)
        readings = {n: read for n, read in zip(names, found, strict=True) if read is not None}
    if not readings:
        return 1
    kinds = list(dict.fromkeys(sample.kind for sample in samples))
    # Photographs after what they are of.
    kinds.sort(key=lambda kind: documents.PHOTOGRAPH in kind)
    cells, differences = _cells(kinds, readings), _differences(kinds, readings)
    told = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "pages": args.pages,
        "dpi": list(args.dpi),
        "lines": args.lines,
        "cells": [asdict(cell) for cell in cells],
        "differences": differences,
        "read": {
            name: {r.sample.name: [line["text"] for line in r.lines] for r in found}
            for name, found in readings.items()
        },
        "true": {sample.name: sample.true for sample in samples},
    }
    table, beside = _table(kinds, cells), _difference_lines(differences)
    print("\n".join([*table, "", *beside]))
    template = page.environment().get_template("ocr_accuracy.html.jinja")
    html = template.render(
        told=told,
        tables=[page.cells(lines) for lines in (table, beside) if lines],
        readers=[
            {
                "name": name,
                "lines": _worst_lines(readings[name]),
                "pages": _worst_pages(readings[name]),
            }
            for name in readings
            if name in OURS
        ],
    )
    page.write(args.out, "ocr_accuracy", told, html)
    return 0 if len(readings) == len(names) else 1


if __name__ == "__main__":
    processes.run_main(main)
