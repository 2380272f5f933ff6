"""invisible_font.py OUT.inc: a TrueType font of a narrow and a wide glyph, as a C++ array.

Text that is searched, not seen, needs a font that says how much room each character takes. Each
glyph is a line from corner to corner, without an area: nothing is to be seen where a reader does
draw it, and those that take a character's place from its outline have the whole of it. With empty
glyphs pdfium finds no text that runs from the top to the bottom.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

_EM = 1000
_ASCENT, _DESCENT = 800, -200
_WIDTHS = {".notdef": 500, "narrow": 500, "wide": 1000}


def font() -> bytes:
    """The same bytes each time."""
    builder = FontBuilder(_EM)
    builder.setupGlyphOrder(list(_WIDTHS))
    builder.setupCharacterMap({})
    glyphs = {}
    for name, width in _WIDTHS.items():
        pen = TTGlyphPen(None)
        pen.moveTo((0, _DESCENT))
        pen.lineTo((width, _ASCENT))
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics({name: (width, 0) for name, width in _WIDTHS.items()})
    builder.setupHorizontalHeader(ascent=_ASCENT, descent=_DESCENT)
    builder.setupNameTable(
        {"familyName": "Invisible", "styleName": "Regular", "psName": "Invisible"}
    )
    builder.setupOS2(
        sTypoAscender=_ASCENT,
        sTypoDescender=_DESCENT,
        usWinAscent=_ASCENT,
        usWinDescent=-_DESCENT,
    )
    builder.setupPost()
    builder.updateHead(created=0, modified=0)
    builder.font.recalcTimestamp = False
    out = io.BytesIO()
    builder.save(out)
    return out.getvalue()


if __name__ == "__main__":
    (path,) = sys.argv[1:]
    numbers = ",".join(str(byte) for byte in font())
    Path(path).write_text(f"constexpr unsigned char kInvisibleFont[] = {{{numbers}}};\n")
