"""Pictures are those of Pillow and OpenCV, and files that are none get words, not crashes."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cc.ocr.picture import bombs

Pixels = npt.NDArray[np.uint8]


class RefusedError(Exception):
    """What the probe says of a file that it does not decode."""


@dataclass
class Probe:
    process: subprocess.Popen[bytes]
    peak: int = 0
    bound: int = 0

    def ask(self, words: str, data: bytes) -> Pixels:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{words} {len(data)}\n".encode() + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        kind, *rest = line.split()
        if kind == "error":
            self.peak, self.bound = int(rest[1]), int(rest[2])
            raise RefusedError(f"{rest[0]}: {' '.join(rest[3:])}")
        assert kind == "ok", f"the probe ended with {self.process.wait()}: {line}"
        width, height, self.peak, self.bound = map(int, rest[:4])
        pixels = self.process.stdout.read(width * height * 3)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def decode(self, file: bytes) -> Pixels:
        pixels = self.ask("decode", file)
        assert self.peak <= self.bound, "what DecodeMemory() says is a bound"
        return pixels

    def resize(self, picture: Pixels, width: int, height: int) -> Pixels:
        size = f"{picture.shape[1]} {picture.shape[0]}"
        return self.ask(f"resize {size} {width} {height}", picture.tobytes())

    def crop(self, picture: Pixels, corners: npt.NDArray[np.float32]) -> Pixels:
        words = " ".join(repr(float(number)) for number in corners.flat)
        size = f"{picture.shape[1]} {picture.shape[0]}"
        return self.ask(f"crop {size} {words}", picture.tobytes())


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with subprocess.Popen(
        [os.environ["RUN"], os.environ["PROBE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Probe(process)
        process.kill()  # it may be in the middle of an answer that no test reads


def scene(width: int = 203, height: int = 157, channels: int = 4) -> Pixels:
    """Slopes, edges and noise; its alpha has all values."""
    random = np.random.default_rng(width * height)
    y, x = np.mgrid[:height, :width]
    layers = [x * 255 // width, y * 255 // height, (x + y) % 256, (x * 3 + y * 2) % 256]
    picture = np.stack(layers[:channels], -1).astype(np.uint8)
    picture[height // 4 : height // 2, width // 4 : width // 2, :3] = 255
    noise = random.integers(0, 256, (height // 3, width // 3, channels), np.uint8)
    picture[-noise.shape[0] :, -noise.shape[1] :] = noise
    return np.asarray(picture, np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pillow(file: bytes) -> Pixels:
    """Pillow's picture, on white where it is transparent."""
    image = Image.open(io.BytesIO(file))
    if image.mode.startswith("I;16"):
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, -1)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA")).astype(int)
        alpha = rgba[..., 3:]
        rgb = 255 - ((255 - rgba[..., :3]) * alpha * 2 + 255) // (2 * 255)
        return np.asarray(rgb[..., ::-1], np.uint8)
    return np.asarray(np.asarray(image.convert("RGB"))[..., ::-1], np.uint8)


def opencv(file: bytes) -> Pixels:
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


RGB = Image.fromarray(scene(channels=3))
GREY = RGB.convert("L")
RGBA = Image.fromarray(scene())
CMYK = Image.fromarray(scene(), "CMYK")
PALETTE = RGB.quantize(200)

# Of these Pillow and OpenCV agree, or only one reads them as they are meant.
JPEGS: dict[str, Callable[[], bytes]] = {
    "4:4:4": lambda: saved(RGB, "JPEG", subsampling=0),
    "4:2:2": lambda: saved(RGB, "JPEG", subsampling=1),
    "4:2:0": lambda: saved(RGB, "JPEG", subsampling=2),
    "poor": lambda: saved(RGB, "JPEG", quality=5),
    "best": lambda: saved(RGB, "JPEG", quality=100),
    "grey": lambda: saved(GREY, "JPEG"),
    "progressive": lambda: saved(RGB, "JPEG", progressive=True),
    "progressive_grey": lambda: saved(GREY, "JPEG", progressive=True),
    "restarts": lambda: saved(RGB, "JPEG", restart_marker_rows=2),
    "by_opencv": lambda: bytes(cv2.imencode(".jpg", scene(channels=3))[1]),
    "1x1": lambda: saved(RGB.resize((1, 1)), "JPEG"),
    "narrow": lambda: saved(RGB.resize((1, 150)), "JPEG"),
}
OTHERS: dict[str, Callable[[], bytes]] = {
    "png": lambda: saved(RGB, "PNG"),
    "png_grey": lambda: saved(GREY, "PNG"),
    "png_1_bit": lambda: saved(GREY.convert("1"), "PNG"),
    "png_palette": lambda: saved(PALETTE, "PNG"),
    "png_palette_4_bits": lambda: saved(RGB.quantize(13), "PNG", bits=4),
    "bmp": lambda: saved(RGB, "BMP"),
    "bmp_grey": lambda: saved(GREY, "BMP"),
    "bmp_palette": lambda: saved(PALETTE, "BMP"),
    "bmp_1_bit": lambda: saved(GREY.convert("1"), "BMP"),
    "webp": lambda: saved(RGB, "WEBP", quality=70),
    "webp_best": lambda: saved(RGB, "WEBP", quality=100),
    "webp_lossless": lambda: saved(RGB, "WEBP", lossless=True),
    "webp_palette": lambda: saved(RGB.quantize(13).convert("RGB"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", [*JPEGS, *OTHERS])
def test_pixels_are_those_of_both(probe: Probe, name: str) -> None:
    file = {**JPEGS, **OTHERS}[name]()
    picture = probe.decode(file)
    np.testing.assert_array_equal(picture, pillow(file))
    np.testing.assert_array_equal(picture, opencv(file))


def chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(bits: int, kind: int, rows: list[bytes], width: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of Pillow's making is of few kinds."""

    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def png_of_16_bits(kind: int, channels: int) -> bytes:
    numbers = np.random.default_rng(kind).integers(0, 65536, (40, 30, channels), np.uint16)
    return png(16, kind, [row.astype(">u2").tobytes() for row in numbers], 30)


TRANSPARENT: dict[str, Callable[[], bytes]] = {
    "png": lambda: saved(RGBA, "PNG"),
    "png_grey": lambda: saved(RGBA.convert("LA"), "PNG"),
    "png_palette": lambda: saved(PALETTE, "PNG", transparency=bytes(range(0, 200))),
    "png_one_colour": lambda: saved(RGB, "PNG", transparency=(255, 255, 255)),
    "webp": lambda: saved(RGBA, "WEBP", quality=70),
    "webp_lossless": lambda: saved(RGBA, "WEBP", lossless=True),
    "bmp": lambda: saved(RGBA, "BMP"),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_what_is_transparent_lies_on_white(probe: Probe, name: str) -> None:
    file = TRANSPARENT[name]()
    np.testing.assert_array_equal(probe.decode(file), pillow(file))


def test_of_2_bits_one_is_transparent(probe: Probe) -> None:
    # Pillow compares the tRNS chunk's 2 with the 170 that it has made of the pixel.
    file = png(2, 0, [bytes([0b00011011])], 4, (b"tRNS", b"\0\2"))
    assert probe.decode(file)[0].tolist() == [[0] * 3, [85] * 3, [255] * 3, [255] * 3]


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_of_16_bits_the_upper_8_count(probe: Probe, kind: int, channels: int) -> None:
    file = png_of_16_bits(kind, channels)
    picture = probe.decode(file)
    if channels in (1, 3):
        np.testing.assert_array_equal(picture, opencv(file))
    np.testing.assert_array_equal(picture, pillow(file))


def adam7(picture: Pixels, kind: int) -> bytes:
    """Pillow writes no interlaced PNG."""
    rows = b""
    first, then = [(0, 0, 8, 8), (4, 0, 8, 8)], [(0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
    for x, y, right, down in [*first, *then, (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = picture[y::down, x::right]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    file = png(8, kind, [], picture.shape[1])
    header = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, kind, 0, 0, 1)

    return file[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + file[-12:]


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (6, 4)])
def test_interlaced(probe: Probe, kind: int, channels: int) -> None:
    picture = scene(channels=channels)
    plain = saved(Image.fromarray(picture), "PNG")
    file = adam7(picture, kind)
    np.testing.assert_array_equal(probe.decode(file), probe.decode(plain))
    np.testing.assert_array_equal(probe.decode(file), pillow(file))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}])
def test_cmyk(probe: Probe, options: dict[str, object]) -> None:
    file = saved(CMYK, "JPEG", **options)
    np.testing.assert_array_equal(probe.decode(file), pillow(file))


def test_ycck(probe: Probe) -> None:
    # Pillow and OpenCV write none. Adobe's mark says that the first three of the
    # four are YCbCr; Pillow reads the same bytes.
    file = bytearray(saved(CMYK, "JPEG"))
    mark = file.index(b"Adobe")
    file[mark + 11] = 2
    np.testing.assert_array_equal(probe.decode(bytes(file)), pillow(bytes(file)))


def bmp(bits: int, compression: int, pixels: bytes, size: tuple[int, int], more: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    start = 14 + len(header) + len(more)
    file = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    return file + header + more + pixels


GREYS = b"".join(bytes([i, i, 255 - i, 0]) for i in range(256))
BMPS: dict[str, Callable[[], bytes]] = {
    "16_bits": lambda: bmp(16, 0, np.arange(16 * 9, dtype="<u2").tobytes() * 16, (16, 144), b""),
    "565": lambda: bmp(
        16,
        3,
        np.arange(0, 65536, 7, "<u2").tobytes()[: 64 * 100 * 2],
        (64, 100),
        struct.pack("<III", 0xF800, 0x7E0, 0x1F),
    ),
    "32_bits": lambda: bmp(32, 0, scene(64, 48).tobytes(), (64, 48), b""),
    "from_top": lambda: bmp(24, 0, scene(64, 48, 3).tobytes(), (64, -48), b""),
    "4_bits": lambda: bmp(4, 0, bytes(range(256)) * 2, (16, 64), GREYS[:64]),
    "runs": lambda: bmp(
        8, 1, b"\5\7\0\4abcd\3\1\0\0" + b"\0\3xyz\0\6\1\3\2\0\0" + b"\0\1", (12, 2), GREYS
    ),
}


@pytest.mark.parametrize("name", BMPS)
def test_bmp(probe: Probe, name: str) -> None:
    file = BMPS[name]()
    np.testing.assert_array_equal(probe.decode(file), pillow(file))


def test_bmp_of_4_bit_runs(probe: Probe) -> None:
    # 5 of 1, 2, 1, ...; 3 as they are; then a step over two pixels and to the next row.
    file = bmp(4, 2, b"\5\x12\0\3\x34\x50" + b"\0\2\0\1" + b"\1\x70\0\1", (10, 2), GREYS[:64])
    expected = np.zeros((2, 10), int)
    expected[1, :8] = [1, 2, 1, 2, 1, 3, 4, 5]
    expected[0, 8] = 7
    np.testing.assert_array_equal(probe.decode(file)[..., 0], expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_says_how_it_lies(probe: Probe, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    file = saved(RGB, kind, exif=exif, **options)
    picture = probe.decode(file)
    if kind != "WEBP":  # which OpenCV 4.11 leaves as it lies
        np.testing.assert_array_equal(picture, opencv(file))
    turns: list[Callable[[Pixels], Pixels]] = [
        lambda p: p,
        lambda p: p[:, ::-1],
        lambda p: p[::-1, ::-1],
        lambda p: p[::-1],
        lambda p: p.transpose(1, 0, 2),
        lambda p: np.rot90(p, -1),
        lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        lambda p: np.rot90(p, 1),
    ]
    np.testing.assert_array_equal(picture, turns[orientation - 1](pillow(file)))


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG": JPEGS["4:2:0"],
    "progressive JPEG": JPEGS["progressive"],
    "PNG": OTHERS["png"],
    "BMP": OTHERS["bmp"],
    "palette BMP": OTHERS["bmp_palette"],
    "WebP": OTHERS["webp"],
    "lossless WebP": TRANSPARENT["webp_lossless"],
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_ends_early_is_told_so(probe: Probe, kind: str) -> None:
    file = FILES[kind]()
    name = kind.split()[-1]
    whole = len(file) - 12  # what lies behind the pixels of a PNG may lack
    ends = sorted({*range(12, min(700, whole), 13), *range(700, whole, whole // 40), whole - 1})
    for end in ends:
        with pytest.raises(RefusedError) as refused:
            probe.decode(file[:end])
        assert f"the {name} ends before its end" in str(refused.value), end
        assert probe.peak <= probe.bound + 64_000


@pytest.mark.parametrize("kind", FILES)
def test_damage_is_told_or_survived(probe: Probe, kind: str) -> None:
    file = FILES[kind]()
    random = np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(file)
        for at in random.integers(0, min(len(file), 2000), 3):
            damaged[at] = random.integers(256)
        try:
            probe.decode(bytes(damaged))
        except RefusedError as refused:
            assert str(refused)


def test_sizes_are_refused_by_the_header(probe: Probe) -> None:
    def refused(width: int, height: int) -> str:
        with pytest.raises(RefusedError) as error:
            one = struct.pack(">II", 1, 0)
            probe.decode(png(8, 2, [], 1).replace(one, struct.pack(">II", width, height)))
        assert probe.peak < 10_000
        return str(error.value)

    assert refused(20000, 20000) == (
        "OUT_OF_RANGE: the picture has 20000 x 20000 pixels, more than the 40,000,000 allowed; "
        "make it smaller"
    )
    assert "longer side may be at most 200 times the shorter" in refused(1, 20000)
    assert "no side may have more than 30,000" in refused(30001, 300)
    assert "has no pixels" in refused(0, 5)
    assert "more than the 40,000,000" in refused(2**31 - 1, 2**31 - 1)


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "WEBP"])
def test_sizes_are_refused_in_every_format(probe: Probe, kind: str) -> None:
    if kind == "WEBP":  # the header of a lossless one, as Pillow would take seconds
        numbers = struct.pack("<BI", 0x2F, 7999 | 5000 << 14)
        file = b"RIFF\x12\0\0\0WEBPVP8L\5\0\0\0" + numbers
    else:
        file = saved(Image.new("L", (8000, 5001)), kind)[:100_000]
    with pytest.raises(RefusedError, match="8000 x 5001 pixels, more than the 40,000,000"):
        probe.decode(file)
    assert probe.peak < 400_000


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "it is empty"),
        (b"hello", "it is no picture that is known: JPEG, PNG, BMP and WebP are read"),
        (saved(RGB, "TIFF"), "it is a TIFF; JPEG, PNG"),
        (saved(GREY, "GIF"), "it is a GIF"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"\0\0\0\x18ftypheic", "it is a HEIC"),
        (saved(RGB, "WEBP", save_all=True, append_images=[GREY]), "the WebP is a film"),
        (b"x" * (33 << 20), "the file has 34,603,008 bytes, more than the 33,554,432 allowed"),
    ],
    ids=["nothing", "text", "tiff", "gif", "pdf", "heic", "film", "large"],
)
def test_what_is_not_read_is_named(probe: Probe, file: bytes, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        probe.decode(file)
    assert words in str(refused.value)


def scans_of(file: bytes) -> tuple[int, int]:
    """Where the last scan of a progressive JPEG begins, and where the file's end mark is."""
    return file.rindex(b"\xff\xda"), len(file) - 2


def test_a_jpeg_of_thousands_of_scans_is_refused_soon(probe: Probe) -> None:
    file = saved(GREY.resize((2000, 2000)), "JPEG", progressive=True)
    start, end = scans_of(file)
    bomb = file[:end] + file[start:end] * 3000 + file[end:]
    began = time.monotonic()
    with pytest.raises(RefusedError, match="more than 64 scans"):
        probe.decode(bomb[: 32 << 20])
    assert time.monotonic() - began < 30  # ten times what it takes: the scans would be minutes


def test_a_bomb_is_no_more_than_its_pixels(probe: Probe) -> None:
    file = png(8, 6, [bytes(4 * 2500)] * 2500, 2500)
    assert len(file) < 100_000
    assert probe.decode(file).min() == 255  # transparent
    assert probe.bound < 4 * 2500 * 2500


def test_a_webp_of_many_tables_is_refused(probe: Probe) -> None:
    with pytest.raises(RefusedError, match="more memory than its size explains"):
        probe.decode(bombs.webp_of_65536_tables())
    assert probe.peak <= probe.bound < 70_000_000


def test_an_encoder_that_takes_its_time_stays_within_the_bound(probe: Probe) -> None:
    picture = Image.fromarray(scene(120, 90))
    file = saved(picture, "WEBP", lossless=True, quality=100, method=4, exact=True)
    np.testing.assert_array_equal(probe.decode(file), pillow(file))


def sizes(random: np.random.Generator) -> list[int]:
    return [int(size) for size in np.exp(random.uniform(0, 6, 4))]


def test_resize_has_the_bits_of_opencv(probe: Probe) -> None:
    random = np.random.default_rng(14)
    for i in range(400):
        width, height, to_width, to_height = sizes(random)
        if i % 8 == 0:  # the mean of four
            width, height = 2 * to_width, 2 * to_height
        picture = random.integers(0, 256, (height, width, 3), np.uint8)
        ours = probe.resize(picture, to_width, to_height)
        theirs = cv2.resize(picture, (to_width, to_height))
        np.testing.assert_array_equal(ours, theirs, f"{width}x{height} {to_width}x{to_height}")


def rapidocr_crop(picture: Pixels, corners: npt.NDArray[np.float32]) -> Pixels:
    """Its get_rotate_crop_image, which is a function within another one there."""
    norm = np.linalg.norm
    width = int(max(norm(corners[0] - corners[1]), norm(corners[2] - corners[3])))
    height = int(max(norm(corners[0] - corners[3]), norm(corners[1] - corners[2])))
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    crop = cv2.warpPerspective(
        picture,
        cv2.getPerspectiveTransform(corners, upright),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
        flags=cv2.INTER_CUBIC,
    )
    return np.asarray(np.rot90(crop) if height / width >= 1.5 else crop, np.uint8)


def test_crops_have_the_bits_of_opencv(probe: Probe) -> None:
    random = np.random.default_rng(15)
    for i in range(400):
        width, height = (int(size) for size in np.exp(random.uniform(1, 6.5, 2)))
        picture = random.integers(0, 256, (height, width, 3), np.uint8)
        # Lines of text, lying anyhow, also over the edge.
        long, high = random.uniform(2, max(width, height)), random.uniform(2, 70)
        angle = random.normal(0, 0.05) if i % 2 else random.uniform(0, 7)
        cos, sin = np.cos(angle), np.sin(angle)
        box = np.array([[-long, -high], [long, -high], [long, high], [-long, high]]) / 2
        box = box @ np.array([[cos, sin], [-sin, cos]]) + random.uniform(0, [width, height])
        box += random.normal(0, 0.5 + high / 20, (4, 2))
        corners = (np.round(box) if i % 3 else box).astype(np.float32)
        try:
            theirs = rapidocr_crop(picture, corners)
        except cv2.error:  # no pixel wide or high
            with pytest.raises(RefusedError, match="below one pixel"):
                probe.crop(picture, corners)
            continue
        np.testing.assert_array_equal(probe.crop(picture, corners), theirs, str(corners))


@pytest.mark.parametrize("corners", [[0] * 8, [0, 0, 1e9, 0] * 2])
def test_crops_of_nothing_are_refused(probe: Probe, corners: list[float]) -> None:
    with pytest.raises(RefusedError, match="below one pixel or above 32,767"):
        probe.crop(scene(20, 20, 3), np.array(corners, np.float32).reshape(4, 2))
