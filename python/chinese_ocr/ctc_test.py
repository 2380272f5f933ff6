"""Frames become text as CTC says, and accuracies count what people would."""

import numpy as np
import pytest
from numpy.typing import NDArray

from chinese_ocr import ctc

CHARACTERS = ["中", "国", "人", "1"]


def logits(frames: str) -> NDArray[np.float32]:
    """Frames that are each sure of one character; "-" is the blank."""
    classes = ["-", *CHARACTERS]
    made = np.zeros((len(frames), len(classes)), np.float32)
    made[range(len(frames)), [classes.index(frame) for frame in frames]] = 3
    return made


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("中-国-人", "中国人"),
        ("-中中国国国-", "中国"),  # repeated frames are one character
        ("中-中中-中", "中中中"),  # but not across a blank
        ("11-1", "11"),
        ("中", "中"),
        ("----", ""),
    ],
)
def test_repetitions_are_one_then_blanks_go(frames: str, text: str) -> None:
    assert ctc.decode(logits(frames), CHARACTERS).text == text


def test_confidence_is_the_mean_probability_of_the_characters_frames() -> None:
    sure, unsure = logits("中-国"), logits("中-国")
    unsure[2, 2] = 1
    probability = [np.exp(x) / (np.exp(x) + 4) for x in (3, 1)]
    assert ctc.decode(sure, CHARACTERS).confidence == pytest.approx(probability[0])
    assert ctc.decode(unsure, CHARACTERS).confidence == pytest.approx(np.mean(probability))
    assert ctc.decode(logits("--"), CHARACTERS).confidence == 0


def test_large_logits_overflow_nothing() -> None:
    assert ctc.decode(logits("中国") * 1000, CHARACTERS) == ctc.Line("中国", 1.0)


@pytest.mark.parametrize(
    ("a", "b", "errors"),
    [
        ("中国", "中国", 0),
        ("", "中国人", 3),
        ("中国人", "", 3),
        ("中国人", "中人", 1),
        ("中国", "国中", 2),
        ("北京大学", "东京大字", 2),
    ],
)
def test_distance(a: str, b: str, errors: int) -> None:
    assert ctc.distance(a, b) == ctc.distance(b, a) == errors


def test_accuracies_weigh_characters_not_lines() -> None:
    found = ctc.accuracies(["中国", "人", "111"], ["中国", "人人", "111111"])
    assert found == {"characters": 0.6, "lines": round(1 / 3, 6)}
    assert ctc.accuracies(["中国人人"], ["一"])["characters"] == -3
