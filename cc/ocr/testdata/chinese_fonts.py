"""Debian's Chinese fonts, for pages that are drawn."""

from __future__ import annotations

from pathlib import Path

from PIL import ImageFont

# Below usr/share/fonts of the packages.
PATHS = {
    "hei": "truetype/wqy/wqy-zenhei.ttc",
    "kai": "truetype/arphic/ukai.ttc",
    "ming": "truetype/arphic/uming.ttc",
    "sans": "opentype/noto/NotoSansCJK-Regular.ttc",
    "bold": "opentype/noto/NotoSansCJK-Bold.ttc",
    "serif": "opentype/noto/NotoSerifCJK-Regular.ttc",
}


def face(root: Path, name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of them, of `size` pixels."""
    # The basic layout is the same whatever libraries a machine has.
    path = root / "usr/share/fonts" / PATHS[name]
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
