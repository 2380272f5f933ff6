"""Characters are counted as //bench:ocr_accuracy says."""
# ruff: noqa: RUF001  # Chinese punctuation

import pytest

from bench.characters import aligned, difference, distance, error_rate, scored


def test_spaces_punctuation_and_widths_do_not_count() -> None:
    assert scored("１２ Ａ，b。 ⼀、汉·字…\n-") == "12Ab一汉字"


@pytest.mark.parametrize(
    ("read", "true", "edits"),
    [
        ("", "", 0),
        ("", "汉字", 2),
        ("汉字", "", 2),
        ("汉字", "汉字", 0),
        ("汉学", "汉字", 1),
        ("汉", "汉字", 1),
        ("汉字字", "汉字", 1),
        ("kitten", "sitting", 3),
        ("abcdef", "bcdefa", 2),
    ],
)
def test_distance_is_the_fewest_edits(read: str, true: str, edits: int) -> None:
    assert distance(read, true) == edits


def test_lines_are_found_in_the_true_text() -> None:
    assert aligned(["甲乙丙", "丁x己"], "甲乙丙丁戊己") == ["甲乙丙", "丁戊己"]
    assert aligned(["甲乙"], "甲乙丙") in (["甲乙"], ["甲乙丙"])
    assert aligned([], "甲") == []


def test_a_rate_is_over_all_characters_and_between_its_bounds() -> None:
    rate = error_rate([1, 0, 5, 0], [10, 30, 50, 10])
    assert rate.value == 0.06
    assert 0 <= rate.least < rate.value < rate.most <= 0.1
    same = error_rate([1] * 5, [10] * 5)
    assert (same.least, same.most) == (0.1, 0.1)


def test_a_difference_is_of_the_same_pictures() -> None:
    ours, theirs = [3, 9, 27], [2, 8, 26]
    rate = difference(ours, theirs, [100] * 3)
    assert (rate.value, rate.least, rate.most) == (0.01, 0.01, 0.01)
