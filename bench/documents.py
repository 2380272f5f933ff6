"""Pictures whose text is known: pages of PDF, lines of them drawn anew, both as photographs too."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bazel.debian.archive import deb
from bench import drawn
from bench.characters import scored
from cc.ocr.testdata import chinese_fonts

DPIS = (100, 150, 300)
LINES = "lines"
PHOTOGRAPH = "photographs"
_SEED = 20261128
_LEAST = 200  # characters of a page that is taken: no title page, no empty one
_LINE = (8, 28)  # characters of a line that is drawn again
_SIZES = (16, 20, 28, 40)
_POINTS = 72  # of an inch
_DESK = (92, 84, 76)


@dataclass(frozen=True)
class Sample:
    """A picture and what is on it."""

    name: str
    kind: str
    path: Path
    true: str


def samples(
    packages: Sequence[Path],
    fonts: Path,
    out: Path,
    pages: int,
    dpis: Sequence[int],
    lines: int,
) -> list[Sample]:
    """So many pages of each package's PDF, at these resolutions, and lines; photographs too."""
    found = []
    for kind, name, image, true in _plain(packages, fonts, pages, dpis, lines):
        numbers = np.random.RandomState(_seed(name))
        for seen, label in ((image, kind), (photograph(image, numbers), f"{kind}, {PHOTOGRAPH}")):
            jpeg = seen is not image
            path = out / f"{name}{'-photograph.jpg' if jpeg else '.png'}"
            path.write_bytes(jpeg_of(seen, numbers) if jpeg else drawn.png(seen))
            found.append(Sample(path.stem, label, path, true))
    return found


def _seed(name: str) -> int:
    return random.Random(f"{_SEED} {name}").getrandbits(32)


def _document(package: Path) -> tuple[str, bytes]:
    """The name and the bytes of the PDF in a Debian package."""
    opened = deb.read(package)
    (member,) = [m for m in opened.data if m.isfile() and m.name.endswith(".pdf")]
    return Path(member.name).name.partition(".")[0], deb.content(opened, member)


def _plain(
    packages: Sequence[Path], fonts: Path, pages: int, dpis: Sequence[int], lines: int
) -> Iterator[tuple[str, str, Image.Image, str]]:
    texts: list[str] = []
    for package in packages:
        title, content = _document(package)
        document = pypdfium2.PdfDocument(content)
        numbers = [n for n in range(len(document)) if len(scored(_text(document[n]))) >= _LEAST]
        chosen = sorted(random.Random(f"{_SEED} {title}").sample(numbers, pages))
        for number in chosen:
            true = _text(document[number])
            texts += true.splitlines()
            for dpi in dpis:
                image = document[number].render(scale=dpi / _POINTS).to_pil().convert("RGB")
                name = f"{title}-{number + 1}-{dpi}"
                yield f"PDF, {dpi} dpi", name, image, true
        document.close()
    for number, (image, true) in enumerate(_drawn(fonts, texts, lines)):
        yield LINES, f"line-{number}", image, true


def _text(page: pypdfium2.PdfPage) -> str:
    """In the document's own order."""
    return str(page.get_textpage().get_text_range())


def _drawn(fonts: Path, texts: Sequence[str], count: int) -> Iterator[tuple[Image.Image, str]]:
    """Lines of documents, alone, in other fonts and sizes."""
    least, most = _LINE
    fitting = [t.strip() for t in texts if least <= len(scored(t)) and len(t.strip()) <= most]
    choice = random.Random(_SEED)
    for text in choice.sample(sorted(set(fitting)), min(count, len(set(fitting)))):
        height, font = choice.choice(_SIZES), choice.choice(list(chinese_fonts.PATHS))
        yield drawn.line(fonts, text, height, font), text


def photograph(image: Image.Image, numbers: np.random.RandomState) -> Image.Image:
    """As a hand-held camera sees it: on a desk, turned, from aside, in uneven light, unsharp."""
    width, height = image.size
    edge = max(8, round(0.03 * max(width, height)))
    framed = Image.new("RGB", (width + 2 * edge, height + 2 * edge), _DESK)
    framed.paste(image, (edge, edge))
    turned = framed.rotate(
        numbers.uniform(-2, 2), Image.Resampling.BICUBIC, expand=True, fillcolor=_DESK
    )
    seen = _from_aside(turned, numbers)
    blurred = seen.filter(ImageFilter.GaussianBlur(numbers.uniform(0.4, 0.9) * _sharp(image)))
    pixels = np.asarray(blurred, np.float32) * _light(blurred.size, numbers)[:, :, None]
    pixels += numbers.normal(0, 4, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _sharp(image: Image.Image) -> float:
    """A camera sees a page as a whole: its blur grows with what the page has of pixels."""
    return max(1.0, float(max(image.size)) / 1800)


def _from_aside(image: Image.Image, numbers: np.random.RandomState) -> Image.Image:
    width, height = image.size
    by = 0.03 * min(width, height)
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    # Where the corners of the new picture are on the old one, by PIL's eight coefficients.
    rows, wanted = [], []
    for x, y in corners:
        u, v = x + numbers.uniform(-by, by), y + numbers.uniform(-by, by)
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        np.linalg.solve(np.array(rows), np.array(wanted)).tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=_DESK,
    )


def _light(size: tuple[int, int], numbers: np.random.RandomState) -> NDArray[np.float32]:
    """Brighter on one side, and the shadow of a hand or a head with a soft edge."""
    width, height = size
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    angle = numbers.uniform(0, 2 * math.pi)
    along = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle)
    ramp = 0.88 + 0.2 * along
    angle = numbers.uniform(0, 2 * math.pi)
    across = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) - numbers.uniform(-0.2, 0.3)
    shadow = 1 - numbers.uniform(0.2, 0.4) / (1 + np.exp(-across * 40))
    return np.asarray(ramp * shadow, np.float32)


def jpeg_of(image: Image.Image, numbers: np.random.RandomState) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(numbers.randint(60, 86)))
    return stream.getvalue()
