"""`server ocr` reads pictures as the server does, and says what it cannot read."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cc.server import serving
from cc.server.pictures import check_same, models, read, reader
from cc.server.serving import Server

PAGES = zipfile.ZipFile(os.environ["PAGES"])
KNOWN: list[dict[str, Any]] = json.loads(PAGES.read("pages.json"))
FILES = ["hei_16.png", "colour_navy.png", "turned_180_hei.png"]


@pytest.fixture(scope="module", name="server")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with reader(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module", name="flags")
def flags_for_models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", name="files")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pages")
    return [PAGES.extract(file, folder) for file in FILES]


def texts(page: Any) -> list[str]:
    return [line["text"] for line in page["lines"]]


def test_it_answers_to_the_bit_as_the_server_does(
    server: Server, flags: list[str], files: list[str]
) -> None:
    done = serving.run("ocr", *flags, "--format=json", *files)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.pop("file") for answer in answers] == files
    assert answers == [read(server, Path(file).read_bytes()) for file in files]
    assert all(texts(answer) for answer in answers)


@pytest.mark.parametrize("known", KNOWN[::8], ids=lambda known: known["file"])
def test_onednn_reads_what_the_reference_reads(server: Server, known: dict[str, Any]) -> None:
    """All of them are read by OpenVINO, in ocr_test.py."""
    check_same(read(server, PAGES.read(known["file"]))["lines"], known["answer"])


def test_text_is_for_people_and_pipes(server: Server, flags: list[str], files: list[str]) -> None:
    expected = [texts(read(server, Path(file).read_bytes())) for file in files]
    one = serving.run("ocr", *flags, files[0])
    assert one.stdout.splitlines() == expected[0]
    all_ = serving.run("ocr", *flags, *files)
    wanted = [
        line for file, lines in zip(files, expected, strict=True) for line in (f"== {file}", *lines)
    ]
    assert all_.stdout.splitlines() == wanted


def test_a_drawing_has_the_picture_and_its_text(flags: list[str], files: list[str]) -> None:
    done = serving.run("ocr", *flags, "--format=svg", files[0])
    drawn = ElementTree.fromstring(done.stdout)
    svg = "{http://www.w3.org/2000/svg}"
    (image,) = drawn.iter(f"{svg}image")
    assert image.attrib["href"].startswith("data:image/png;base64,")
    said = [text.text for text in drawn.iter(f"{svg}text")]
    assert said == serving.run("ocr", *flags, files[0]).stdout.splitlines()
    assert len(list(drawn.iter(f"{svg}polygon"))) == len(said)


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(
    flags: list[str], files: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(files[0]).read_bytes()[:-100])
    done = serving.run("ocr", *flags, str(broken), str(tmp_path / "none.png"), files[0])
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert f"{broken}: " in first and "none.png" in second
    assert done.stdout.startswith(f"== {files[0]}\n")


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["a.png"], "which models? --ocr_detector and --ocr_recogniser name them", 2),
        (["--ocr_detector=detector", "a.png"], "takes both --ocr_detector and", 2),
        (["--ocr_detector=a", "--ocr_recogniser=b", "a.png"], 'no model "a" is in', 1),
        ([], "FILE is required", 2),
    ],
)
def test_what_is_missing_is_told(
    flags: list[str], arguments: list[str], says: str, code: int
) -> None:
    done = serving.run("ocr", flags[0], *arguments)
    assert done.returncode == code
    assert says in done.stderr
