"""Pictures read by a recogniser of one's own, that //python/chinese_ocr trained."""
# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

from pathlib import Path

from cc.server.pictures import drawn, read, reader, saved
from chinese_ocr.ctc import accuracies

# Of the 400 characters that it knows.
LINES = [
    "我们在小学学到的东西不少",
    "北京市民生活水平有了提高",
    "他说：这条新闻很重要，请看！",
    "2026年12月31日",
    "国家经济体制改革的方法和目标",
]


def test_lines_are_read_by_the_recogniser_that_was_trained_here(tmp_path: Path) -> None:
    page = saved(drawn((700, 480), LINES, 32, 80))
    # What it learnt from has more margin than the detector gives lines.
    with reader(tmp_path, ["--ocr_unclip_ratio=2.4"]) as server:
        lines = [line["text"] for line in read(server, page)["lines"]]
    assert len(lines) == len(LINES)
    # It was trained for a third of what the one to ship is (docs/ocr.md).
    assert accuracies(lines, LINES)["characters"] >= 0.8, lines
