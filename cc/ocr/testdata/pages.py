"""Draws pages and lines with known text, and writes what RapidOCR reads on them.

The zip file has pictures (PNG, JPEG) and pages.json, a list with one object for each:

    file    the picture's name in the zip file
    lines   its text as it was set, from the top to the bottom
    turned  by how many degrees it was turned then, counter-clockwise
    answer  what RapidOCR says, in its order: {"box": [[x, y] * 4], "text", "score"}

With --page that page's picture alone is written.

All is drawn from seeds: two runs differ in the last bits of scores at most, by the machine.
"""
# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw

from cc.ocr.testdata import chinese_fonts, reference

_SENTENCES = (
    "春天的早晨，窗外的树上有许多小鸟在唱歌。",
    "订单编号 20261128-0417，合计 1,380.50 元",
    "请在每天下午五点以前把文件交到三楼办公室",
    "The quick brown fox jumps over the lazy dog",
    "机器学习模型需要大量的数据和计算资源",
    "北京市海淀区中关村大街 27 号 A 座 1203",
    "Version 2.6.2 was released in 2024",
    "他们一家人住在山脚下的村子里，已经四十年了",
    "温度 36.8℃，湿度 55%，风力三级",
    "Invoice No. 88-7421, due 2026-12-31",
    "这本书共有三百二十页，分为十二章",
    "联系电话：010-62987451 转 806",
)

# Of a byte of noise, and of what JPEG keeps.
_NOISE = 10
_QUALITY = 70


@dataclass
class Page:
    """A picture and its text."""

    name: str
    image: Image.Image
    lines: list[str]
    turned: int = 0
    jpeg: bool = False


def _set(
    root: Path,
    font: str,
    size: int,
    lines: list[str],
    gap: float = 0.8,
    margin: int = 24,
    shape: float = 0.7,
) -> Image.Image:
    """Lines below each other, black on white, on a page at least `shape` as high as broad."""
    face = chinese_fonts.face(root, font, size)
    width = max(round(face.getlength(line)) for line in lines) + 2 * margin
    step = round(size * (1 + gap))
    height = step * len(lines) - round(size * gap) + 2 * margin
    image = Image.new("RGB", (width, max(height, round(width * shape))), "white")
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((margin, margin + i * step + size / 2), line, "black", face, anchor="lm")
    return image


def _noisy(image: Image.Image, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, _NOISE, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def _seen_from_aside(image: Image.Image, by: float) -> Image.Image:
    """As a camera sees a page that leans back: its upper side is shorter."""
    width, height = image.size
    cut = width * by
    # Where the corners of the new picture are on the old one, by PIL's eight coefficients.
    corners = [(-cut, 0.0), (width + cut, 0.0), (float(width), height), (0.0, height)]
    rows: list[list[float]] = []
    wanted: list[float] = []
    for (x, y), (u, v) in zip(
        [(0, 0), (width, 0), (width, height), (0, height)], corners, strict=True
    ):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    coefficients = np.linalg.solve(np.array(rows), np.array(wanted)).tolist()
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        coefficients,
        Image.Resampling.BICUBIC,
        fillcolor="white",
    )


def _some(first: int, count: int) -> list[str]:
    return [_SENTENCES[(first + i) % len(_SENTENCES)] for i in range(count)]


def _pages(root: Path) -> Iterator[Page]:
    fonts = list(chinese_fonts.PATHS)
    # Each font in several sizes, some as JPEG.
    for i, font in enumerate(fonts):
        for j, size in enumerate((16, 24, 40)):
            lines = _some(3 * i + j, 5 - j)
            jpeg = (i + j) % 2 == 1
            yield Page(f"{font}_{size}", _set(root, font, size, lines), lines, jpeg=jpeg)
    # A line alone, with little and with much around it. The first is lower than 30 pixels.
    for i, (margin, size) in enumerate(((2, 18), (8, 20), (60, 18), (60, 40))):
        lines = _some(5 * i, 1)
        image = _set(root, fonts[i], size, lines, margin=margin, shape=0)
        yield Page(f"line_{margin}_{size}", image, lines)
    # Lines close to each other, and far.
    for i, gap in enumerate((0.2, 0.5, 2.5)):
        lines = _some(4 * i, 4)
        yield Page(f"gap_{i}", _set(root, "sans", 24, lines, gap), lines)
    # Pages on their side, on their head; slanted ones.
    for i, angle in enumerate((90, 180, 270, 3, -5, 12)):
        for j, font in enumerate(("hei", "serif")):
            lines = _some(2 * i + j, 4)
            image = _set(root, font, 28, lines).rotate(
                angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white"
            )
            yield Page(f"turned_{angle}_{font}", image, lines, turned=angle)
    # As scanners and cameras see them.
    for i, font in enumerate(fonts):
        lines = _some(7 * i, 4)
        image = _set(root, font, 26, lines)
        yield Page(f"noise_{font}", _noisy(image, i), lines, jpeg=i % 2 == 0)
        yield Page(f"aside_{font}", _seen_from_aside(image, 0.06), lines, jpeg=i % 2 == 1)
    # White on a colour, and a picture in grey.
    for i, colour in enumerate(("navy", "darkgreen", "maroon")):
        lines = _some(i + 2, 3)
        image = _set(root, fonts[i], 30, lines)
        ink = np.asarray(image.convert("L"), np.float32)[:, :, None] / 255
        ground = np.asarray(Image.new("RGB", (1, 1), colour), np.float32)
        mixed = (ink * ground + (1 - ink) * 255).round().astype(np.uint8)
        yield Page(f"colour_{colour}", Image.fromarray(mixed), lines)
    lines = _some(9, 3)
    yield Page("grey", _set(root, "kai", 30, lines).convert("L"), lines)
    # Two columns, which are read across where their lines are level.
    left, right = _set(root, "hei", 20, _some(0, 3)), _set(root, "hei", 20, _some(6, 3))
    columns = Image.new("RGB", (left.width + right.width, left.height), "white")
    columns.paste(left, (0, 0))
    columns.paste(right, (left.width, 0))
    pairs = zip(_some(0, 3), _some(6, 3), strict=True)
    yield Page("columns", columns, [line for pair in pairs for line in pair])
    # Sizes of its own on each line; more lines than a batch has.
    sizes = (14, 20, 28, 40)
    stripes = [
        _set(root, "sans", size, _some(i, 1), margin=10, shape=0) for i, size in enumerate(sizes)
    ]
    mixed_page = Image.new(
        "RGB", (max(s.width for s in stripes), sum(s.height for s in stripes)), "white"
    )
    top = 0
    for stripe in stripes:
        mixed_page.paste(stripe, (0, top))
        top += stripe.height
    yield Page("sizes", mixed_page, _some(0, 4))
    yield Page("long", _set(root, "serif", 20, _some(0, 12)), _some(0, 12))
    # A broad page that is made smaller first; nothing at all; noise.
    yield Page("large", _set(root, "sans", 110, _some(1, 4)), _some(1, 4), jpeg=True)
    yield Page("empty", Image.new("RGB", (320, 240), "white"), [])
    yield Page("pixel", Image.new("RGB", (1, 1), "white"), [])
    yield Page("high", _set(root, "ming", 24, _some(0, 12), shape=1.5), _some(0, 12))
    pixels = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    yield Page("noise", Image.fromarray(pixels), [])


def _bytes(page: Page) -> bytes:
    stream = io.BytesIO()
    if page.jpeg:
        page.image.save(stream, "JPEG", quality=_QUALITY)
    else:
        page.image.save(stream, "PNG")
    return stream.getvalue()


@click.command(help=__doc__)
@click.option("--fonts", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--page", "alone", help="The name of one.")
def main(fonts: Path, out: Path, alone: str | None) -> None:
    """Draws and asks; its help text is this file's."""
    if alone:
        (picture,) = (_bytes(page) for page in _pages(fonts) if page.name == alone)
        out.write_bytes(picture)
        return
    rapidocr = reference.start()
    told = []
    with zipfile.ZipFile(out, "w") as pages:

        def add(name: str, data: bytes) -> None:
            # A fixed time, for equal bytes.
            pages.writestr(zipfile.ZipInfo(name), data)

        for page in _pages(fonts):
            file = f"{page.name}.{'jpg' if page.jpeg else 'png'}"
            picture = _bytes(page)
            add(file, picture)
            told.append(
                {
                    "file": file,
                    "lines": page.lines,
                    "turned": page.turned,
                    "answer": reference.answer(rapidocr, picture),
                }
            )
        add("pages.json", json.dumps(told, ensure_ascii=False, indent=1).encode())


if __name__ == "__main__":
    main()
