"""Rendered lines are the same bits everywhere, and what their labels say."""

import hashlib
import itertools
from pathlib import Path

import click
import numpy as np
import pytest
from numpy.typing import NDArray

from chinese_ocr import lines, render

CHARACTERS = lines.default_characters()
FONTS = render.find_fonts(render.default_fonts(), CHARACTERS)
RENDERER = render.Renderer(FONTS, CHARACTERS)


def numbers(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def test_these_lines_everywhere() -> None:
    drawn = RENDERER.draw(64, numbers())
    digest = hashlib.sha256(np.stack(drawn.images).tobytes() + drawn.classes.tobytes())
    assert drawn.texts[0] == "石国程走都北"
    assert digest.hexdigest() == "65f720bd725bda828636d5ec2f28f25f5eb84b635232c6f577be5245064f69b6"


def test_what_was_drawn_before_changes_nothing() -> None:
    fresh = render.Renderer(render.find_fonts(render.default_fonts(), CHARACTERS), CHARACTERS)
    RENDERER.draw(8, numbers(1))
    assert np.array_equal(RENDERER.draw(8, numbers(2)).images, fresh.draw(8, numbers(2)).images)


def test_every_font_of_debian_has_every_character() -> None:
    assert [font.name for font in FONTS] == [
        "NotoSansCJK-Bold.ttc",
        "NotoSansCJK-Regular.ttc",
        "NotoSerifCJK-Bold.ttc",
        "NotoSerifCJK-Regular.ttc",
        "ukai.ttc",
        "uming.ttc",
        "wqy-zenhei.ttc",
    ]
    assert all(font.characters == set(CHARACTERS) for font in FONTS)


def test_lines_are_of_three_to_ten_characters_and_some_repeat() -> None:
    texts = RENDERER.draw(300, numbers()).texts
    assert {len(text) for text in texts} == set(range(3, 11))
    assert 50 < sum(a == b for t in texts for a, b in itertools.pairwise(t)) < 200
    assert len(set("".join(texts))) > 390


def test_held_out_texts_are_not_trained_on() -> None:
    train = RENDERER.draw(300, numbers()).texts
    held_out = RENDERER.draw(300, numbers(), held_out=True).texts
    assert not any(map(render.is_held_out, train))
    assert all(map(render.is_held_out, held_out))
    assert len(set(held_out)) > 295


def test_frames_spell_the_text() -> None:
    """What the network is told of each frame, decoded, is the label."""
    drawn = RENDERER.draw(300, numbers(), held_out=True)
    assert [spelt(row) for row in drawn.classes] == drawn.texts


def spelt(classes: NDArray[np.int64]) -> str:
    """Repetitions are one, then blanks go."""
    changes = classes[np.diff(classes, prepend=lines.BLANK) != 0]
    return "".join(CHARACTERS[c - 1] for c in changes if c != lines.BLANK)


def test_frames_stand_where_the_ink_is() -> None:
    drawn = RENDERER.draw(200, numbers())
    told = np.repeat(drawn.classes != lines.BLANK, lines.STRIDE, axis=1)
    images = np.stack(drawn.images).astype(np.int64)
    ink = np.median(images, axis=1) - images.mean(axis=1)  # most of a column is paper
    assert ink[told].mean() > 3 * ink[~told].mean()


def test_a_font_that_lacks_some_is_used_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [*"中国人\u3400", "\U0002a6a5"]  # wqy-zenhei has no 𪚥, of the supplementary plane
    folder = next(render.default_fonts().rglob("wqy-zenhei.ttc")).parent
    with pytest.raises(click.UsageError, match=r"No font below .* has 1 characters: \U0002a6a5"):
        render.find_fonts(folder, wanted)
    assert "wqy-zenhei.ttc: drawn without 1 characters: \U0002a6a5" in capsys.readouterr().err


def test_one_character_is_too_few() -> None:
    with pytest.raises(click.UsageError, match=r"has 1 of the characters, and lines need two"):
        render.Renderer(FONTS, ["一"])


def test_no_font_for_the_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.UsageError, match=r"No font for the characters below .*--fonts"):
        render.find_fonts(tmp_path, CHARACTERS)
    with pytest.raises(click.UsageError, match="No font for the characters"):
        render.find_fonts(render.default_fonts(), ["\U0010fffd"])
    assert "ukai.ttc: not used, it lacks 1 characters: \U0010fffd" in capsys.readouterr().err
