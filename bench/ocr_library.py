"""paddle_engine.ocr, which our service has to keep up with, as a program; ocr_answers.py says how.

It computes by oneDNN of Paddle 2, as the row "ours, Paddle 2" of the service does.
"""

from __future__ import annotations

import os
import sys

from paddle_engine import ocr

from bench.ocr_answers import Line, Read, answer, line_of


def load() -> Read:
    """The models of the bench."""
    models = (os.environ[name] for name in ("PPOCRV4_DET", "PPOCRV4_REC", "PPOCR_CLS"))
    reader = ocr.Reader(*models)

    def read(picture: bytes) -> list[Line]:
        return [line_of(line.text, line.box) for line in reader.read(picture).lines]

    return read


if __name__ == "__main__":
    answer(sys.argv[1], load)
