"""Asks a server for the text of pictures, for tests."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cc.server import serving
from cc.server.serving import Server

_PIXELS = 2  # that a corner may be away from the reference's


def models(repository: Path) -> list[str]:
    """Puts there those that DETECTOR, RECOGNISER and CLASSIFIER name; gives the flags for them."""
    flags = [f"--model_repository={repository}"]
    for name in ("detector", "recogniser", "classifier"):
        folder = os.environ.get(name.upper())
        if folder is None:
            continue
        (repository / name).mkdir()
        (repository / name / "1").symlink_to(Path(folder).absolute())
        flags.append(f"--ocr_{name}={name}")
    return flags


@contextmanager
def reader(repository: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    """A server that reads pictures by these models."""
    with serving.serving(*models(repository), *flags) as server:
        yield server


def post(server: Server, body: bytes, content_type: str = "image/png") -> tuple[int, Any]:
    """Status and answer of POST /v1/ocr."""
    status, _, answer = server.call("POST", "/v1/ocr", body, content_type=content_type)
    return status, json.loads(answer)


def read(server: Server, picture: bytes) -> Any:
    """The one page of a picture, without its times."""
    status, answer = post(server, picture)
    assert status == 200, answer
    (page,) = answer["pages"]
    assert page.pop("milliseconds").keys() == {"decode", "detect", "read"}
    return page


def check_same(lines: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """The reference reads the same, at the same place."""
    assert [line["text"] for line in lines] == [line["text"] for line in theirs]
    for line, other in zip(lines, theirs, strict=True):
        assert np.abs(np.array(line["box"]) - np.array(other["box"])).max() <= _PIXELS


def drawn(size: tuple[int, int], lines: Sequence[str], points: int, step: int) -> Image.Image:
    """A page with these lines below each other, in one of the fonts of FONTS."""
    font = Path(os.environ["FONTS"], "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
    face = ImageFont.truetype(font, points, layout_engine=ImageFont.Layout.BASIC)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((step // 2, step // 2 + step * i), line, "black", face)
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """It as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
