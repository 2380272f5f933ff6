"""How a library that reads pictures is a program that //bench:ocr can ask."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Read = Callable[[bytes], list[Line]]


def line_of(text: str, box: Any) -> Line:
    """A line of text and its corners: x and y, in the order of the library."""
    return {"text": text, "box": [[round(float(x), 1), round(float(y), 1)] for x, y in box]}


def answer(name: str, load: Callable[[], Read]) -> None:
    """Answers until its input ends.

    A line of the input is the path of a picture; a line of the output is what the library reads on
    it, {"lines": [{"text", "box"}]}, in the library's order. The first line of the output says that
    it is ready.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    read = load()
    print(json.dumps({"ready": name}), file=answers, flush=True)
    for path in sys.stdin:
        lines = read(Path(path.rstrip("\n")).read_bytes())
        print(json.dumps({"lines": lines}, ensure_ascii=False), file=answers, flush=True)
