"""embed_page.py PAGE.html OUT.inc NAME: a page as a C++ array NAME, and NAMEHashes for a policy.

The policy (Content-Security-Policy) allows the page's own style and script by their hashes and
nothing else: https://www.w3.org/TR/CSP3/#grammardef-hash-source
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from pathlib import Path


def source(page: str, element: str, directive: str) -> str:
    """The directive that allows the one element of that name."""
    (text,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"{directive} 'sha256-{digest}'; "


def embed(page: str, name: str) -> str:
    numbers = ",".join(str(byte) for byte in page.encode())
    hashes = source(page, "style", "style-src") + source(page, "script", "script-src")
    embedded = f"constexpr unsigned char {name}[] = {{{numbers}}};\n"
    return embedded + f'constexpr char {name}Hashes[] = "{hashes}";\n'


if __name__ == "__main__":
    page, out, name = sys.argv[1:]
    Path(out).write_text(embed(Path(page).read_text(encoding="utf-8"), name))
