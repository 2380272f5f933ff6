"""What the models that others trained say is what is seen, by the files beside them."""
# ruff: noqa: RUF001  # Chinese punctuation

import json
import os
from pathlib import Path
from typing import Any

os.environ.pop("TEST_TMPDIR", None)  # docs/engine.md says what a long one does with Paddle 3

import numpy as np
import paddle_engine
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

RECOGNISERS = {version: Path(os.environ[f"PPOCRV{version}_REC"]) for version in (4, 5)}
COUNTS = {4: 6623, 5: 18383}
PICODET, SAMPLES = Path(os.environ["PICODET"]), Path(os.environ["SAMPLES"])
FONT = Path(os.environ["FONTS"], "usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
HEIGHT = 48
TEXT = "飞桨 Paddle 3.2.2 的推理服务，2026年"


def metadata(model: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((model / "metadata.json").read_text(encoding="utf-8"))
    return told


def lines(file: Path) -> list[str]:
    """A text a line: characters and labels have no other ends of lines in them."""
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def line(text: str) -> NDArray[np.float32]:
    """Black on white, as a recogniser takes it."""
    font = ImageFont.truetype(FONT, 34, layout_engine=ImageFont.Layout.BASIC)
    image = Image.new("RGB", (round(font.getlength(text)) + 20, HEIGHT), "white")
    ImageDraw.Draw(image).text((10, HEIGHT // 2), text, "black", font, anchor="lm")
    return np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1


def read(probabilities: NDArray[np.float32], characters: list[str]) -> str:
    """The best class of each frame, repeated ones once, without the blank (CTC)."""
    classes = ["", *characters, " "]
    best = probabilities.argmax(1)
    return "".join(classes[b] for a, b in zip([0, *best], best, strict=False) if a != b)


@pytest.mark.parametrize("version", RECOGNISERS)
def test_a_recogniser_and_its_characters_read_a_line(version: int) -> None:
    model = RECOGNISERS[version]
    characters = lines(model / "characters.txt")
    assert len(characters) == COUNTS[version]
    (output,) = metadata(model)["outputs"]
    assert output["shape"][-1] in (-1, len(characters) + 2)
    answer = paddle_engine.Engine(model).run({"x": line(TEXT)})["characters"]
    assert answer.shape[2] == len(characters) + 2
    assert read(answer[0], characters) == TEXT


def test_boxes_come_by_number_and_not_as_sequences() -> None:
    """Whatever the program says that was exported."""
    boxes, counts = metadata(PICODET)["outputs"]
    assert boxes == {"name": "boxes", "datatype": "FP32", "shape": [-1, 6]}
    assert counts == {"name": "counts", "datatype": "INT32", "shape": [-1]}
    assert np.load(SAMPLES / "counts.npy").tolist() == [len(np.load(SAMPLES / "boxes.npy"))]


def test_a_box_has_a_label() -> None:
    labels = lines(PICODET / "labels.txt")
    assert (len(labels), labels[0], labels[-1]) == (80, "person", "toothbrush")
    boxes = np.load(SAMPLES / "boxes.npy")
    best = boxes[boxes[:, 1].argmax()]
    assert labels[int(best[0])] == "boat"  # it is a temple, whose roofs are curved like one
