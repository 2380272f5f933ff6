"""The text of pictures, by a real server, beside RapidOCR with the same models.

OpenVINO computes, as in //images:ocr; ocr_command_test has oneDNN.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tritonclient.utils import InferenceServerException

from cc.server import grpc_client, serving
from cc.server.pictures import check_same, post, read, reader, saved
from cc.server.serving import Server

PAGES = zipfile.ZipFile(os.environ["PAGES"])
KNOWN: list[dict[str, Any]] = json.loads(PAGES.read("pages.json"))


@pytest.fixture(scope="module", name="server")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with reader(tmp_path_factory.mktemp("models"), ["--cpu_engine=openvino"]) as server:
        yield server


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["file"])
def test_it_reads_what_the_reference_reads(server: Server, known: dict[str, Any]) -> None:
    picture = PAGES.read(known["file"])
    page = read(server, picture)
    size = Image.open(io.BytesIO(picture)).size
    assert (page["width"], page["height"]) == size
    check_same(page["lines"], known["answer"])


def test_pages_read_together_are_read_as_alone(server: Server) -> None:
    pictures = [PAGES.read(known["file"]) for known in KNOWN[:8]]
    alone = [read(server, picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda picture: read(server, picture), pictures * 3)) == alone * 3


def form(pictures: list[bytes]) -> tuple[bytes, str]:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + one + b"\r\n"
        for one in pictures
    )
    return parts + b"--b--\r\n", "multipart/form-data; boundary=b"


def test_a_form_has_several(server: Server) -> None:
    pictures = [PAGES.read(known["file"]) for known in KNOWN[:2]]
    status, answer = post(server, *form(pictures))
    assert status == 200
    texts = [[line["text"] for line in page["lines"]] for page in answer["pages"]]
    assert texts == [[line["text"] for line in known["answer"]] for known in KNOWN[:2]]


def png(width: int, height: int) -> bytes:
    """The head of a picture of any size, and nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (b"", "the body is empty"),
        (b"what", "JPEG, PNG"),
        (png(20000, 20000), "20000 x 20000"),
        (png(1, 20000), "1 x 20000"),
        (PAGES.read(KNOWN[0]["file"])[:-100], "end"),
    ],
    ids=["empty", "text", "large", "long", "cut"],
)
def test_what_is_no_picture_is_told(server: Server, picture: bytes, says: str) -> None:
    status, answer = post(server, picture)
    assert status == 400
    assert says in answer["error"]


def test_small_and_empty_pictures_have_no_lines(server: Server) -> None:
    for size in ((1, 1), (400, 300)):
        assert read(server, saved(Image.new("RGB", size, "white"))) == {
            "width": size[0],
            "height": size[1],
            "lines": [],
        }


def test_it_is_a_model_like_others(server: Server) -> None:
    metadata = json.loads(server.call("GET", "/v2/models/ocr")[2])
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert server.call("GET", "/v2/models/ocr/ready")[0] == 200
    assert b'endpoint="ocr"' in server.call("GET", "/metrics")[2]


def by_protocol(server: Server, protocol: str, pictures: list[bytes]) -> Any:
    """Pages and times of several pictures in one call of the Open Inference Protocol."""
    ways: dict[str, tuple[Callable[..., serving.Arrays], str]] = {
        "http": (serving.infer, server.url),
        "http with JSON": (partial(serving.infer, binary_out=False), server.url),
        "grpc": (grpc_client.infer, server.grpc_url),
    }
    infer, url = ways[protocol]
    images = {"image": np.array(pictures, object)}
    answer = infer(url, "ocr", images, ["page", "milliseconds"])
    return [json.loads(page) for page in answer["page"]], answer["milliseconds"]


PROTOCOLS = ("http", "http with JSON", "grpc")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_open_inference_protocol_gives_the_same(server: Server, protocol: str) -> None:
    pictures = [PAGES.read(known["file"]) for known in KNOWN[:3]]
    pages, milliseconds = by_protocol(server, protocol, pictures)
    assert pages == [read(server, picture) for picture in pictures]
    assert (milliseconds.dtype, milliseconds.shape) == (np.float32, (3, 3))
    assert (milliseconds > 0).all()
    assert by_protocol(server, protocol, [])[0] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_of_several_pictures_it_is_told_which_is_none(server: Server, protocol: str) -> None:
    with pytest.raises(InferenceServerException, match="picture 2: it is no picture") as told:
        by_protocol(server, protocol, [PAGES.read(KNOWN[0]["file"]), b"what", b"GIF89a"])
    assert told.value.status() in {"400", "StatusCode.INVALID_ARGUMENT"}


def test_half_a_pipeline_is_refused(tmp_path: Path) -> None:
    done = serving.run("serve", f"--model_repository={tmp_path}", "--ocr_detector=det")
    assert done.returncode == 1
    assert "takes both --ocr_detector and --ocr_recogniser" in done.stderr
