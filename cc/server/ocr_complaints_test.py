"""What users of other OCR services complain of (docs/pictures.md has them all), tried on ours."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from cc.server.pictures import drawn, post, read, reader, saved
from cc.server.serving import Server, descendants
from chinese_ocr.ctc import accuracies

LINES = ["请在每天下午五点以前把文件交到三楼办公室", "机器学习模型需要大量的数据和计算资源"]


@pytest.fixture(scope="module", name="server")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # As in //images:ocr.
    with reader(tmp_path_factory.mktemp("models"), ["--cpu_engine=openvino"]) as server:
        yield server


def texts(server: Server, picture: bytes) -> list[str]:
    return [line["text"] for line in read(server, picture)["lines"]]


@contextmanager
def memory(server: Server) -> Iterator[list[int]]:
    """What all its processes have together, in MB, again and again."""
    pids = [server.process.pid, *descendants(server.process.pid)]
    over = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not over.wait(0.02):
            told = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
            kib = [int(n) for text in told for n in re.findall(r"^Pss:\s*(\d+)", text, re.M)]
            seen.append(sum(kib) // 1000)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_4_a_page_of_300_dpi_takes_less_than_1500_mb(server: Server) -> None:
    a4 = drawn((2480, 3508), LINES * 12, 60, 140)
    with memory(server) as megabytes:
        assert len(texts(server, saved(a4))) == 24
    assert max(megabytes) < 1500


def test_11_answers_have_no_pictures_in_them(server: Server) -> None:
    picture = saved(drawn((900, 300), LINES, 32, 100), "BMP")
    status, answer = post(server, picture)
    assert status == 200
    assert answer["pages"][0].keys() == {"width", "height", "lines", "milliseconds"}
    assert len(str(answer)) < 1000


def test_16_pages_that_stand_upright_are_not_turned(server: Server) -> None:
    upright = drawn((900, 300), LINES, 32, 100)
    assert texts(server, saved(upright)) == LINES
    # And those on their heads are, line by line: the lower one comes first.
    assert texts(server, saved(upright.rotate(180))) == LINES[::-1]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_17_photographs_are_turned_as_their_exif_says(server: Server, orientation: int) -> None:
    upright = drawn((900, 500), LINES, 32, 150)
    stored = upright.rotate({3: 180, 6: 90, 8: 270}[orientation], expand=True)
    exif = Image.Exif()
    exif[0x112] = orientation
    photograph = saved(stored, "JPEG", quality=95, exif=exif)
    answer = read(server, photograph)
    assert (answer["width"], answer["height"]) == (900, 500)
    assert [line["text"] for line in answer["lines"]] == LINES


def test_18_high_and_broad_pictures_are_read(server: Server) -> None:
    high = drawn((760, 6000), LINES * 20, 32, 148)
    # PP-OCRv4 takes 算 for 兑 now and then, as RapidOCR's users see.
    assert accuracies(texts(server, saved(high)), LINES * 20)["characters"] > 0.95
    broad = drawn((5000, 60), [" ".join(LINES)], 32, 20)
    assert "".join(texts(server, saved(broad))).replace(" ", "") == "".join(LINES)


def test_20_a_body_of_12_mb_is_read_and_one_too_large_is_told(server: Server) -> None:
    large = saved(drawn((2000, 2000), LINES, 90, 200), "BMP")
    assert len(large) > 12_000_000
    assert texts(server, large) == LINES
    status, answer = post(server, b"\xff\xd8" + bytes(33 << 20))
    assert status == 400
    assert "bytes" in answer["error"]


def test_22_every_call_is_answered_alike(server: Server) -> None:
    picture = saved(drawn((900, 300), LINES, 32, 100))
    assert [texts(server, picture) for _ in range(10)] == [LINES] * 10
