"""Pictures with known text, drawn from Debian's fonts: equal arguments draw equal pixels."""
# ruff: noqa: RUF001  # Chinese punctuation

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cc.ocr.testdata import chinese_fonts

SENTENCES = (
    "本项目的所有镜像都由锁文件构建，结果逐位相同。",
    "合同编号 HT-2026-0913，金额 48,600.00 元",
    "请各部门于本周五下午三点前提交年度预算报告",
    "The server answers each page as if it were alone",
    "深度学习框架的推理引擎支持多种处理器",
    "上海市浦东新区世纪大道 100 号 32 层",
    "Release 3.2.2 runs on CPU and GPU",
    "清晨的湖面上飘着一层薄薄的雾，几只白鹭飞过",
    "血压 118/76，心率 72 次每分钟，体温正常",
    "Order 5517-A, shipped on 2026-11-28",
)

PAGE = (960, 640)
A4 = (2480, 3508)  # at 300 dpi
_LEADING = 1.6
_MARGIN = 0.04  # of the width


def page(
    fonts: Path,
    size: tuple[int, int] = PAGE,
    lines: Sequence[str] = SENTENCES,
    height: int = 24,
    font: str = "sans",
) -> Image.Image:
    """Lines below each other, black on white, as many as have room."""
    face = chinese_fonts.face(fonts, font, height)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    margin, step = round(size[0] * _MARGIN), round(height * _LEADING)
    # Spread over the page, where there is more room than lines.
    step = max(step, (size[1] - 2 * margin) // max(len(lines), 1))
    for i, line in enumerate(lines):
        middle = margin + i * step + step / 2
        if middle + height / 2 > size[1]:
            break
        draw.text((margin, middle), line, "black", face, anchor="lm")
    return image


def line(fonts: Path, text: str, height: int, font: str) -> Image.Image:
    """A line alone, with its own height around it."""
    face = chinese_fonts.face(fonts, font, height)
    image = Image.new("RGB", (round(face.getlength(text)) + 2 * height, 3 * height), "white")
    ImageDraw.Draw(image).text((height, 1.5 * height), text, "black", face, anchor="lm")
    return image


def random_page(fonts: Path, random: np.random.RandomState) -> Image.Image:
    """Of any size from 320 to 2000 pixels, in any font, with lines of any size."""
    size = (int(random.randint(320, 2001)), int(random.randint(320, 2001)))
    height = int(random.randint(16, 49))
    first, count = int(random.randint(len(SENTENCES))), int(random.randint(1, 25))
    lines = [SENTENCES[(first + i) % len(SENTENCES)] for i in range(count)]
    font = list(chinese_fonts.PATHS)[int(random.randint(len(chinese_fonts.PATHS)))]
    return page(fonts, size, lines, height, font)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
