"""paddle_engine.ocr as its users see it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

# What brings its own libjpeg, libpng and libwebp comes first here; a test has the other order.
import cv2
import numpy as np
import pytest
from paddle_engine import EngineError, ocr
from PIL import Image

DETECTOR, RECOGNISER = os.environ["DETECTOR"], os.environ["RECOGNISER"]
with zipfile.ZipFile(os.environ["PAGES"]) as pages:
    PAGE = pages.read("hei_16.png")
# Its first line.
PART = Image.open(io.BytesIO(PAGE)).convert("RGB").crop((0, 8, 360, 54))
# Small pictures are not made larger.
FAST: dict[str, Any] = {"side": 64}


def saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    PART.save(out, kind, **options)
    return out.getvalue()


KINDS = {
    "JPEG": saved("JPEG", quality=95),
    "PNG": saved("PNG"),
    "WEBP": saved("WEBP", lossless=True),
    "BMP": saved("BMP"),
}


@pytest.fixture(scope="module", name="reader")
def loaded() -> ocr.Reader:
    return ocr.Reader(DETECTOR, RECOGNISER, **FAST)


def test_pictures_are_bytes_or_paths(reader: ocr.Reader, tmp_path: Path) -> None:
    picture = KINDS["PNG"]
    (tmp_path / "a.png").write_bytes(picture)
    page = reader.read(picture)
    assert (page.width, page.height) == PART.size
    assert page.lines and page.text == "\n".join(line.text for line in page.lines)
    for line in page.lines:
        assert 0.5 <= line.score <= 1
        assert all(0 <= x <= page.width and 0 <= y <= page.height for x, y in line.box)
    for other in (bytearray(picture), memoryview(picture), tmp_path / "a.png", f"{tmp_path}/a.png"):
        assert reader.read(other).lines == page.lines


def test_all_kinds_are_read_beside_pillow_and_opencv(reader: ocr.Reader) -> None:
    """Each has the libraries of pictures for itself, whoever is loaded first."""
    texts = {kind: reader.read(picture).text for kind, picture in KINDS.items()}
    assert len(set(texts.values())) == 1, texts
    for picture in KINDS.values():
        seen = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[..., ::-1]
        assert np.array_equal(cv2.imdecode(np.frombuffer(picture, np.uint8), 1), seen)


def test_the_other_order_and_what_is_loaded_for_whom(reader: ocr.Reader, tmp_path: Path) -> None:
    files = []
    for kind, picture in KINDS.items():
        files.append(str(tmp_path / kind.lower()))
        Path(files[-1]).write_bytes(picture)
    code = (
        "import sys, paddle_engine\n"
        "maps = open('/proc/self/maps').read()\n"
        "assert '_engine.cpython' in maps and '_ocr' not in maps and 'yaml' not in maps\n"
        "from paddle_engine import ocr\n"
        "reader = ocr.Reader(*sys.argv[1:3], side=64)\n"
        "first = [reader.read(file).lines for file in sys.argv[3:]]\n"
        "import cv2, PIL.Image\n"
        "for file in sys.argv[3:]:\n"
        "    PIL.Image.open(file).load()\n"
        "    assert cv2.imread(file) is not None\n"
        "assert [reader.read(file).lines for file in sys.argv[3:]] == first\n"
        "print(first)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, DETECTOR, RECOGNISER, *files],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([reader.read(picture).lines for picture in KINDS.values()])


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "it is empty, and no picture"),
        (b"hello", "JPEG, PNG, BMP and WebP are read"),
        (PAGE[:-100], "the PNG ends before its end"),
        (KINDS["JPEG"][:-100], "the JPEG ends before its end"),
        (KINDS["WEBP"][:-100], "the WebP ends before its end"),
        (KINDS["JPEG"][:2] + b"\xff\xc0" + bytes(40), "the JPEG "),
        (bytes(33 << 20), "more than the 33,554,432 allowed"),
    ],
)
def test_what_cannot_be_read_is_told(reader: ocr.Reader, picture: bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        reader.read(picture)
    assert message in str(caught.value)


def test_files_that_cannot_be_read_are_named(reader: ocr.Reader, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(PAGE[:-100])
    with pytest.raises(ValueError, match=rf"^{tmp_path}/broken\.png: the PNG ends"):
        reader.read(tmp_path / "broken.png")
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        reader.read(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        reader.read(tmp_path)
    with pytest.raises(TypeError, match=r"bytes of its file, or the path of that, not numpy\.nda"):
        reader.read(np.zeros((8, 8, 3), np.uint8))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "most"}, "limit is most, it must be one of min, max"),
        ({"side": 31}, "side is 31, it must be from 32 to 4096"),
        ({"longest_side": 16385}, "longest_side is 16385, it must be from 32 to 16384"),
        ({"box_score": 1.5}, "box_score is 1.5, it must be from 0 to 1"),
        ({"unclip_ratio": -1.0}, "unclip_ratio is -1, it must be from 0 to 10"),
        ({"min_score": float("nan")}, "min_score is nan, it must be from 0 to 1"),
        ({"cpu_engine": "fast"}, "cpu_engine is fast, it must be one of"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ocr.Reader(DETECTOR, RECOGNISER, **options)
    assert message in str(caught.value)


def test_wrong_models(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pdmodel"):
        ocr.Reader(tmp_path, RECOGNISER)
    with pytest.raises(FileNotFoundError, match=r"the recogniser: .*characters\.txt"):
        ocr.Reader(DETECTOR, DETECTOR)
    with pytest.raises(ValueError, match=r'the model "\S+" is none for pictures: those have one'):
        ocr.Reader(os.environ["WORDS"], RECOGNISER)
    with pytest.raises(EngineError, match=r"^the detector: "):
        ocr.Reader(RECOGNISER, RECOGNISER, **FAST).read(KINDS["PNG"])


def test_settings_reach_the_pipeline(reader: ocr.Reader) -> None:
    worst = min(line.score for line in reader.read(KINDS["PNG"]).lines)
    strict = ocr.Reader(DETECTOR, RECOGNISER, **FAST, min_score=1)
    assert worst < 1 and not strict.read(KINDS["PNG"]).lines


def test_threads_share_a_reader_or_have_clones(reader: ocr.Reader) -> None:
    expected = reader.read(KINDS["PNG"]).lines
    readers = [reader, reader, reader.clone(), reader.clone()]
    with ThreadPoolExecutor(len(readers)) as pool:
        for page in pool.map(lambda one: one.read(KINDS["PNG"]), readers * 3):
            assert page.lines == expected
    reader.release()
    assert reader.read(KINDS["PNG"]).lines == expected


def test_other_threads_of_python_go_on_meanwhile() -> None:
    reader = ocr.Reader(DETECTOR, RECOGNISER)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    reader.read(PAGE)
    end = time.monotonic()
    stop.set()
    thread.join()
    # In each of ten parts of the time.
    parts = np.histogram(ticks, bins=10, range=(start, end))[0]
    assert parts.min() >= 1, f"{parts} ticks in {end - start:.3f} s"


def test_what_a_model_raises_comes_through(
    reader: ocr.Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the engine with the name of the part, all else as it is."""

    class Failing:
        def __init__(self, error: BaseException) -> None:
            self.inputs = reader._recogniser.inputs
            self.outputs = reader._recogniser.outputs
            self._error = error

        def run(self, inputs: object) -> NoReturn:
            raise self._error

    monkeypatch.setattr(reader, "_recogniser", Failing(EngineError("out of order")))
    with pytest.raises(EngineError, match=r"^the recogniser: out of order$"):
        reader.read(KINDS["PNG"])
    monkeypatch.setattr(reader, "_recogniser", Failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        reader.read(KINDS["PNG"])
