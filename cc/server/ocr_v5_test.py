"""Pictures read by PP-OCRv5 on Paddle 3, beside RapidOCR with the same models."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cc.server.pictures import check_same, read, reader
from cc.server.serving import Server, page_faults

PAGES = zipfile.ZipFile(os.environ["PAGES"])
ANSWERS: dict[str, Any] = json.loads(Path(os.environ["ANSWERS"]).read_text())


@pytest.fixture(scope="module", name="server")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with reader(tmp_path_factory.mktemp("models")) as server:
        yield server


@pytest.mark.parametrize("file", ANSWERS)
def test_it_reads_what_the_reference_reads(server: Server, file: str) -> None:
    check_same(read(server, PAGES.read(file))["lines"], ANSWERS[file])


def test_latin_words_have_spaces_between_them(server: Server) -> None:
    said = [line["text"] for file in ANSWERS for line in read(server, PAGES.read(file))["lines"]]
    assert "The quick brown fox jumps over the lazy dog" in said


def test_operators_have_the_memory_that_others_freed(server: Server) -> None:
    """Where each had new pages of the system's it was half a million faults, half of the time."""
    picture = PAGES.read(max(ANSWERS, key=lambda file: len(ANSWERS[file])))
    read(server, picture)
    workers = server.workers
    assert len(workers) == 3
    before = sum(map(page_faults, workers))
    for _ in range(3):
        read(server, picture)
    assert (sum(map(page_faults, workers)) - before) / 3 < 20_000


def test_pages_read_together_are_read_as_alone(server: Server) -> None:
    pictures = [PAGES.read(file) for file in list(ANSWERS)[:6]]
    alone = [read(server, picture) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda picture: read(server, picture), pictures * 2)) == alone * 2
