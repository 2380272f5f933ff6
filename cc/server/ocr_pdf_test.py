"""`server ocr --format=pdf`: what other programs find in its pages, and where."""

from __future__ import annotations

import ctypes
import io
import json
import math
import os
import pty
import re
import subprocess
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from cc.server import serving
from cc.server.pictures import models

PAGES = zipfile.ZipFile(os.environ["PAGES"])
# By how many degrees their lines are turned, counter-clockwise.
TEXTS = {
    "hei_24.jpg": 0,
    "turned_90_hei.png": 90,
    "turned_180_serif.png": 180,
    "turned_270_hei.png": 270,
    "turned_3_hei.png": 3,
    "empty.png": 0,
}
POINTS = 72
PIXELS = 2
DEGREES = 2


@pytest.fixture(scope="module", name="flags")
def flags_for_models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*models(tmp_path_factory.mktemp("models")), "--ocr_side=320"]


def ran(flags: Sequence[str], *files: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*serving.program(), "ocr", *flags, "--format=pdf", *map(str, files)],
        capture_output=True,
        timeout=60,
        check=False,
    )


def pdf(flags: Sequence[str], *files: str | Path) -> bytes:
    done = ran(flags, *files)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def told(program: str, *arguments: str) -> str:
    """What a tool says that finds nothing to complain of."""
    done = subprocess.run(
        [os.environ[program], *arguments], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0 and not done.stderr, (done.stdout, done.stderr)
    return done.stdout.decode()


class Document:
    """A PDF of such pages, and what the command says of them as JSON."""

    def __init__(self, data: bytes, path: Path, read: list[Any]) -> None:
        self.path = path
        self.path.write_bytes(data)
        self.pages = list(pypdfium2.PdfDocument(data))
        self.read = read


@pytest.fixture(scope="module", name="texts")
def with_text(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("pages")
    files = [PAGES.extract(file, folder) for file in TEXTS]
    done = serving.run("ocr", *flags, "--format=json", *files)
    assert done.returncode == 0, done.stderr
    read = [json.loads(line) for line in done.stdout.splitlines()]
    return Document(pdf(flags, *files), folder / "texts.pdf", read)


def letters(text: str) -> str:
    """It without what readers put between lines and words, or leave out there."""
    return re.sub(r"\s", "", text)


def said(page: Any) -> list[str]:
    return [line["text"] for line in page["lines"]]


def test_it_is_a_sound_pdf_of_a_page_for_each_file(texts: Document) -> None:
    assert "No syntax or stream encoding errors found" in told("QPDF", "--check", str(texts.path))
    assert len(texts.pages) == len(TEXTS)
    lines = dict(zip(TEXTS, map(said, texts.read), strict=True))
    assert [file for file, found in lines.items() if not found] == ["empty.png"]
    assert len(lines["hei_24.jpg"]) == 4


def test_the_text_is_what_was_read(texts: Document) -> None:
    for page, read in zip(texts.pages, texts.read, strict=True):
        text = page.get_textpage()
        assert letters(text.get_text_range()) == letters("".join(said(read)))
        for line in said(read):
            assert text.search(line.strip()).get_next() is not None, line


def test_poppler_reads_the_same(texts: Document) -> None:
    pages = told("PDFTOTEXT", "-raw", str(texts.path), "-").split("\f")
    for page, read, turned in zip(pages[:-1], texts.read, TEXTS.values(), strict=True):
        # Of lines that slant it makes words.
        if turned % 90 == 0:
            assert letters(page) == letters("".join(said(read)))


def character_boxes(page: pypdfium2.PdfPage) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Characters but for white space, and the middles of their boxes in pixels of the picture."""
    text = page.get_textpage()
    scale, height = pixels_per_point(page), page.get_height()
    for i in range(text.count_chars()):
        character = text.get_text_range(i, 1)
        if not letters(character):
            continue
        left, bottom, right, top = text.get_charbox(i)
        yield character, np.array([left + right, 2 * height - bottom - top]) / 2 * scale


def pixels_per_point(page: pypdfium2.PdfPage) -> float:
    (image,) = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    return float(image.get_px_size()[0] / page.get_width())


def outside(point: NDArray[np.float64], box: Sequence[Sequence[float]]) -> float:
    """How far a point is from the inside of a quadrilateral, whose corners go clockwise."""
    corners = np.array(box)
    along = np.roll(corners, -1, axis=0) - corners
    to = point - corners
    beside = along[:, 1] * to[:, 0] - along[:, 0] * to[:, 1]
    return float((beside / np.hypot(*along.T)).max())


def test_each_character_lies_on_its_line(texts: Document) -> None:
    for page, read, turned in zip(texts.pages, texts.read, TEXTS.values(), strict=True):
        characters = character_boxes(page)
        for line in read["lines"]:
            middles = []
            for expected in letters(line["text"]):
                character, middle = next(characters)
                assert character == expected
                assert outside(middle, line["box"]) <= PIXELS, (line, middle)
                middles.append(middle)
            # They fill the line, from its beginning to its end.
            x, y = middles[-1] - middles[0]
            box = np.array(line["box"], float)
            sides = np.hypot(*(box - np.roll(box, 1, axis=0)).T)
            count = len(line["text"])
            assert math.hypot(x, y) >= max(sides) * (count - 1) / count * 0.9
            # A line that the classifier did not turn is read as nonsense.
            if line["score"] > 0.9:
                angle = math.degrees(math.atan2(-y, x))
                assert abs((angle - turned + 180) % 360 - 180) < DEGREES
        assert next(characters, None) is None


# The same picture as programs write it.


def motley() -> Image.Image:
    """Colours, and a corner that tells where it lies."""
    rows, columns = np.mgrid[0:60, 0:90]
    pixels = np.stack([columns * 2, rows * 4, 255 - columns], axis=-1).astype(np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).rectangle((0, 0, 20, 10), "black")
    return image


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def with_resolution(orientation: int) -> Image.Exif:
    """150 dots per centimetre across, 100 down, before it is turned."""
    exif = oriented(orientation)
    exif[0x11A], exif[0x11B], exif[0x128] = 150.0, 100.0, 3
    return exif


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def interlaced() -> bytes:
    """Adam7 of 2 x 2 grey pixels, which Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = (2).to_bytes(4) * 2 + bytes([8, 0, 0, 0, 1])
    rows = zlib.compress(bytes([0, 10, 0, 100, 0, 200, 250]))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    )


def pictures() -> dict[str, bytes]:
    """Files by their names; none tells its resolution."""
    image = motley()
    jpeg = partial(saved, image, "JPEG", quality=95)
    png = partial(saved, kind="PNG")
    palette = image.quantize(16)
    holes = image.convert("RGBA")
    holes.putalpha(image.convert("L"))
    deep = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    return {
        "rgb.jpg": jpeg(),
        "grey.jpg": saved(image.convert("L"), "JPEG"),
        "progressive.jpg": jpeg(progressive=True),
        "channels.jpg": jpeg(keep_rgb=True),
        "inks.jpg": saved(image.convert("CMYK"), "JPEG"),
        **{f"turned_{i}.jpg": jpeg(exif=oriented(i)) for i in range(1, 9)},
        "rgb.png": png(image),
        "turned.png": png(image, exif=oriented(8)),
        "grey.png": png(image.convert("L")),
        "bit.png": png(image.convert("1")),
        "palette.png": png(palette),
        "hole.png": png(palette, transparency=3),
        "alpha.png": png(holes),
        "deep.png": png(deep),
        "interlaced.png": interlaced(),
        "rgb.bmp": saved(image, "BMP"),
        "lossy.webp": saved(image, "WEBP", quality=80),
        "lossless.webp": saved(holes, "WEBP", lossless=True, exif=oriented(3)),
    }


# Pictures of 90 x 60 pixels, the resolution they tell, the dots per inch that their pages have.
RESOLUTIONS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "JPEG": ({"dpi": (300, 200)}, (300, 200)),
    "PNG": ({"dpi": (144, 72)}, (144, 72)),
    "BMP": ({"dpi": (120, 240)}, (120, 240)),
    "WEBP": ({"exif": with_resolution(1)}, (381, 254)),
    "turned.JPEG": ({"exif": with_resolution(6)}, (254, 381)),
    "nonsense.JPEG": ({"dpi": (1, 1)}, (96, 96)),
    "silent.JPEG": ({}, (96, 96)),
}

KEPT = {"channels.jpg": False, "inks.jpg": False} | dict.fromkeys(
    ["hole.png", "alpha.png", "deep.png", "interlaced.png"], False
)


def seen(name: str, data: bytes) -> Image.Image:
    """As Pillow shows it."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if name == "deep.png":
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "P"):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def difference(page: pypdfium2.PdfPage, image: Image.Image) -> int:
    """The largest between a page and a picture, in pixels of the picture."""
    bitmap = pypdfium2.PdfBitmap.new_native(*image.size, pypdfium2.raw.FPDFBitmap_BGR)
    pypdfium2.raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, *image.size, 0, 0)
    shown = np.asarray(bitmap.to_pil().convert("RGB"), int)
    return int(np.abs(shown - np.asarray(image, int)).max())


def raw(page: pypdfium2.PdfPage) -> bytes:
    """The data of a page's picture."""
    (image,) = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    size = pypdfium2.raw.FPDFImageObj_GetImageDataRaw(image, None, 0)
    data = ctypes.create_string_buffer(size)
    pypdfium2.raw.FPDFImageObj_GetImageDataRaw(image, data, size)
    return data.raw


def own_data(name: str, file: bytes) -> bytes:
    """What of a file a PDF can take as it is."""
    if name.endswith(".jpg"):
        return file
    parts, at = [], 8
    while at < len(file):
        size = int.from_bytes(file[at : at + 4])
        if file[at + 4 : at + 8] == b"IDAT":
            parts.append(file[at + 8 : at + 8 + size])
        at += size + 12
    return b"".join(parts)


@pytest.fixture(scope="module", name="kinds")
def of_all_kinds(
    flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bytes, pypdfium2.PdfPage]]:
    folder = tmp_path_factory.mktemp("kinds")
    made = pictures()
    for name, data in made.items():
        (folder / name).write_bytes(data)
    document = folder / "kinds.pdf"
    document.write_bytes(pdf([*flags, "--ocr_side=64"], *(folder / name for name in made)))
    told("QPDF", "--check", str(document))
    pages = list(pypdfium2.PdfDocument(document))
    return dict(zip(made, zip(made.values(), pages, strict=True), strict=True))


def test_a_page_is_the_picture(kinds: dict[str, tuple[bytes, pypdfium2.PdfPage]]) -> None:
    for name, (data, page) in kinds.items():
        assert difference(page, seen(name, data)) <= name.endswith(".jpg"), name


def test_data_are_kept_where_pdf_can_hold_them(
    kinds: dict[str, tuple[bytes, pypdfium2.PdfPage]],
) -> None:
    for name, (data, page) in kinds.items():
        if name.endswith((".jpg", ".png")):
            assert (raw(page) == own_data(name, data)) == KEPT.get(name, True), name


def test_a_page_is_as_large_as_the_paper_was(flags: list[str], tmp_path: Path) -> None:
    for name, (told_by, _) in RESOLUTIONS.items():
        kind = name.rpartition(".")[2]
        (tmp_path / name).write_bytes(saved(motley(), kind, **told_by))
    made = pdf([*flags, "--ocr_side=64"], *(tmp_path / name for name in RESOLUTIONS))
    pages = pypdfium2.PdfDocument(made)
    for page, (name, (_, dots)) in zip(pages, RESOLUTIONS.items(), strict=True):
        pixels = (60, 90) if name.startswith("turned") else (90, 60)
        expected = [pixel * POINTS / dot for pixel, dot in zip(pixels, dots, strict=True)]
        assert page.get_size() == pytest.approx(expected, rel=1e-3), name


def test_what_cannot_be_read_is_named_and_is_no_page(
    flags: list[str], texts: Document, tmp_path: Path
) -> None:
    good = Path(texts.read[0]["file"])
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:-100])
    done = ran(flags, broken, tmp_path / "none.png", good)
    assert done.returncode == 1
    first, second = done.stderr.decode().splitlines()
    assert f"{broken}: " in first and "none.png" in second
    # Which also says that bytes are the same each time.
    assert done.stdout == pdf(flags, good)
    nothing = ran(flags, broken)
    assert (nothing.returncode, nothing.stdout) == (1, b"")


def test_it_is_not_written_to_a_terminal(flags: list[str]) -> None:
    terminal, end = pty.openpty()
    command = [*serving.program(), "ocr", *flags, "--format=pdf", "a.png"]
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(end)
    os.close(terminal)
    assert done.returncode == 2
    assert b"a PDF is not for a terminal" in done.stderr
