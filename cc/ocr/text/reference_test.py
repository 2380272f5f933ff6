"""Each step is RapidOCR's: its own code, OpenCV and Clipper say what comes out."""
# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rapidocr_paddle
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rapidocr_paddle.cal_rec_boxes import CalRecBoxes
from rapidocr_paddle.ch_ppocr_det.utils import DetPreProcess
from rapidocr_paddle.ch_ppocr_rec import TextRecognizer
from rapidocr_paddle.ch_ppocr_rec.utils import CTCLabelDecode

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

CHARACTERS = Path(os.environ["PPOCRV4_REC"], "characters.txt")
FONT = Path(os.environ["FONTS"], "usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
TEXT = "当前较为方便的中文排版解决方案，Paddle 2.6.2 inference 2026年"


def step(words: str, *data: NDArray[Any]) -> bytes:
    return subprocess.run(
        [os.environ["RUN"], os.environ["STEPS"], str(CHARACTERS)],
        input=words.encode() + b"\n" + b"".join(array.tobytes() for array in data),
        check=True,
        capture_output=True,
    ).stdout


def numbers(answer: bytes) -> list[list[float]]:
    return [[float(word) for word in line.split()] for line in answer.decode().splitlines()]


@pytest.fixture(scope="module")
def reference() -> Any:
    read = rapidocr_paddle.RapidOCR()
    read.text_det.limit_side_len = 320  # a fifth of the work of its 736
    return read


def page(size: tuple[int, int], lines: list[tuple[int, int, int, str]], angle: float = 0) -> Bytes:
    """Black on white: x, y, size and text of each line."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for x, y, points, text in lines:
        font = ImageFont.truetype(FONT, points, layout_engine=ImageFont.Layout.BASIC)
        draw.text((x, y), text, "black", font)
    image = image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    return np.asarray(image)[:, :, ::-1].copy()


SIZES = [(20, 20, 14), (20, 60, 20), (20, 120, 32), (20, 200, 48), (20, 300, 24), (200, 340, 18)]
PAGES = {
    "sizes": page((700, 400), [(*at, TEXT[: 600 // at[2]]) for at in SIZES]),
    "rotated": page((700, 400), [(*at, TEXT[: 600 // at[2]]) for at in SIZES], 90),
    "slanted": page((700, 400), [(*at, TEXT[: 600 // at[2]]) for at in SIZES], 9),
    "columns": page(
        (800, 500),
        [
            (x, y, 18, TEXT[i : i + 12])
            for i, x in enumerate((5, 270, 560))
            for y in range(2, 480, 31)
        ],
    ),
    "strip": page((900, 40), [(4, 5, 26, TEXT)]),
    "empty": page((300, 300), []),
    "noise": np.random.default_rng(5).integers(0, 256, (320, 320, 3), np.uint8),
}


@pytest.mark.parametrize("name", PAGES)
def test_boxes_of_pages(name: str, reference: Any) -> None:
    """What a detector says of real text: boxes before and after they are put in order."""
    detector = reference.text_det
    image, _ = reference.maybe_add_letterbox(PAGES[name], {})
    size = image.shape[:2]
    prepared = detector.get_preprocess(max(size))(image)
    answer = detector.infer(prepared)[0]
    boxes, _ = detector.postprocess_op(answer, size)
    expected = detector.filter_tag_det_res(boxes, size).reshape(-1, 8)
    if len(expected):
        in_order = reference.sorted_boxes(expected.reshape(-1, 4, 2))
        expected = np.vstack([expected, np.array(in_order).reshape(-1, 8)])
    assert (len(expected) > 0) == (name not in ("empty", "noise"))
    found = boxes_of(answer[0, 0], size)
    np.testing.assert_array_equal([box[2:] for box in found], expected.reshape(found_shape(found)))


def found_shape(found: list[list[float]]) -> tuple[int, ...]:
    return (len(found), 8) if found else (0,)


def boxes_of(map_: Floats, size: tuple[int, int], dilate: bool = True) -> list[list[float]]:
    height, width = map_.shape
    words = f"boxes {height} {width} {size[0]} {size[1]} {int(dilate)} 0.5 1.6 1000"
    return numbers(step(words, np.ascontiguousarray(map_)))


def random_map(random: np.random.Generator, case: int) -> Floats:
    height, width = (int(side) * 32 for side in random.integers(1, 10, 2))
    if case % 3 == 0:  # clouds
        clouds = cv2.GaussianBlur(random.random((height, width), np.float32), (0, 0), 1 + case % 7)
        return np.asarray((clouds - clouds.min()) / (clouds.max() - clouds.min()), np.float32)
    map_ = np.zeros((height, width), np.float32)
    for _ in range(random.integers(1, 12)):
        middle = random.random(2) * (width, height)
        sides = (random.random() * width * 0.7 + 2, random.random() * 20 + 2)
        angle = random.choice([0, 90, random.random() * 90 - 45])
        corners = cv2.boxPoints((middle.tolist(), sides, angle)).astype(np.int32)
        cv2.fillPoly(map_, [corners], float(random.random() * 0.6 + 0.4))
    return np.asarray(cv2.GaussianBlur(map_, (0, 0), 1) if case % 3 == 1 else map_, np.float32)


def test_boxes_of_random_maps(reference: Any) -> None:
    random = np.random.default_rng(1)
    detector = reference.text_det
    count = 0
    for case in range(75):
        map_ = random_map(random, case)
        height, width = (int(side) for side in random.integers(20, 1500, 2))
        dilate = bool(case % 2)
        kernel = detector.postprocess_op.dilation_kernel
        detector.postprocess_op.dilation_kernel = kernel if dilate else None
        boxes, _ = detector.postprocess_op(map_[None, None], (height, width))
        detector.postprocess_op.dilation_kernel = kernel
        expected = detector.filter_tag_det_res(boxes, (height, width)).reshape(-1, 8)
        found = [box[2:] for box in boxes_of(map_, (height, width), dilate) if box[0] == 0]
        assert len(found) == len(expected), case
        np.testing.assert_array_equal(found, expected.reshape(found_shape(found)), str(case))
        count += len(found)
    assert count > 60


def test_contours_and_rectangles() -> None:
    random = np.random.default_rng(2)
    for case in range(75):
        height, width = (int(side) for side in random.integers(1, 60, 2))
        if case % 2:
            clouds = cv2.GaussianBlur(random.random((height, width), np.float32), (0, 0), 2)
            mask = (clouds > np.median(clouds)).astype(np.uint8)
        else:
            mask = (random.random((height, width)) < random.random()).astype(np.uint8)
        found = numbers(step(f"contours {height} {width}", mask))
        expected, _ = cv2.findContours(mask * 255, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        assert [corners[8:] for corners in found] == [c.ravel().tolist() for c in expected]
        for corners, contour in zip(found, expected, strict=True):
            rectangle = cv2.boxPoints(cv2.minAreaRect(contour))
            np.testing.assert_allclose(corners[:8], rectangle.ravel(), rtol=1e-5, atol=1e-5)


def test_detection_is_planned_as_the_reference_does(reference: Any) -> None:
    sides = [20, 30, 31, 47, 100, 240, 737, 1999, 2000, 2001, 2500]
    for width in sides:
        for height in sides:
            shorter, longer = sorted((width, height))
            if (shorter < 30 and longer * 30 / shorter > 2000) or (longer > 2000 and shorter < 60):
                continue  # which the reference makes larger than its own limit
            image, _, _ = reference.preprocess(np.zeros((height, width, 3), np.uint8))
            barred, told = reference.maybe_add_letterbox(image, {})
            ((page_width, page_height, bar, *size),) = numbers(step(f"plan {width} {height}"))
            assert (page_height, page_width) == image.shape[:2], (width, height)
            assert bar == told["padding_1"]["top"], (width, height)
            input_ = DetPreProcess().resize(barred)  # RapidOCR's 736
            assert input_ is not None
            assert tuple(size[::-1]) == input_.shape[:2], (width, height)


def test_pixels_become_the_same_numbers(reference: Any) -> None:
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (64, 96, 3), np.uint8)
    planes = np.frombuffer(step("detector 64 96", pixels), np.float32)
    prepared = reference.text_det.get_preprocess(96)
    expected = np.ascontiguousarray(prepared.permute(prepared.normalize(pixels)), np.float32)
    np.testing.assert_array_equal(planes, expected.ravel())

    line = random.integers(0, 256, (48, 200, 3), np.uint8)
    planes = np.frombuffer(step("line 200 320", line), np.float32)
    expected = reference.text_rec.resize_norm_img(line, 320 / 48)
    np.testing.assert_array_equal(planes, expected.ravel())
    line = line[:, :150].copy()
    planes = np.frombuffer(step("line 150 192", line), np.float32)
    expected = reference.text_cls.resize_norm_img(line)
    np.testing.assert_array_equal(planes, expected.ravel())


def test_lines_are_batched_as_the_reference_does() -> None:
    random = np.random.default_rng(4)
    crops = [(int(w), int(h)) for w, h in random.integers(8, 900, (40, 2))]
    told: list[list[float]] = []

    def session(inputs: Floats) -> list[Floats]:
        # Lines are white, and what is behind them is zero.
        told.append([inputs.shape[3], *(inputs != 0)[:, 0, 0].sum(1)])
        return [inputs]

    recognizer = TextRecognizer.__new__(TextRecognizer)
    recognizer.rec_image_shape, recognizer.rec_batch_num = [3, 48, 320], 6
    recognizer.session = session
    recognizer.postprocess_op = lambda answer, *_, **__: [("", 0.0)] * len(answer)
    recognizer([np.full((h, w, 3), 255, np.uint8) for w, h in crops])
    found = numbers(step("batches " + " ".join(f"{w} {h}" for w, h in crops)))
    assert [[width, *lines[1::2]] for width, *lines in found] == told
    # Those with the same ratio come in any order there.
    ratios = [w / h for w, h in crops]
    in_order = [int(line) for _, *lines in found for line in lines[::2]]
    assert [ratios[line] for line in in_order] == sorted(ratios)
    assert sorted(in_order) == list(range(len(crops)))


def test_text_scores_and_places() -> None:
    random = np.random.default_rng(6)
    decode = CTCLabelDecode(character_path=CHARACTERS)
    classes = len(decode.character)
    for case in range(40):
        steps = int(random.integers(1, 90))
        values = random.random((steps, classes), np.float32) / 2
        best = np.repeat(random.integers(0, classes, steps), random.integers(1, 4, steps))[:steps]
        best[random.random(steps) < 0.4] = 0
        best[random.random(steps) < 0.05] = classes - 1
        if case % 2:  # Latin letters between
            latin = [decode.dict[letter] for letter in "abcXYZ019"]
            best[random.random(steps) < 0.3] = random.choice(latin)
        values[np.arange(steps), best] = 0.5 + random.random(steps, np.float32) / 2
        width, used = int(random.integers(20, 900)), float(random.random() * 0.9 + 0.1)
        ((text, score, told),) = decode(values[None], True, wh_ratio_list=[used], max_wh_ratio=1)
        answer = step(f"text {steps} {used!r} {width}", values).decode()
        found_score, found_text, *places = answer.split("\n")
        assert found_text == text
        assert float(found_score) == pytest.approx(score, abs=1e-12)
        if not text:
            continue
        corners = np.array([[0, 0], [width, 0], [width, 48], [0, 48]])
        _, boxes, _ = CalRecBoxes.cal_ocr_word_box(text, corners, told)
        boxes = CalRecBoxes.adjust_box_overlap(boxes)
        expected = [[box[0][0], box[1][0]] for box in boxes]
        np.testing.assert_allclose(
            [[float(x) for x in p.split()] for p in places if p], expected, atol=1
        )
