"""The page that reads pictures, in a browser, for tests; a program draws the README's picture.

./bazelw run //cc/server:ocr_page -- docs/ocr_page.png
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as Picture

from bazel.image.tests import browser as browsers
from bazel.image.tests.browser import Browser
from cc.server.pictures import read, reader
from cc.server.serving import until

# A page of Chinese text.
_PAGE = "sans_24.png"
_WIDTH = 900
_COLOURS = 64  # of a picture of text; it takes a third of the bytes that all have


@contextmanager
def browser(files: Path, log: Path) -> Iterator[Browser]:
    """A browser with a Chinese font, which sees a folder as /files."""
    tools = Path(os.environ["BWRAP"]), Path(os.environ["BROWSER"])
    font = Path(os.environ["FONTS"], "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
    with browsers.browser(*tools, None, log, font=font, files=files) as opened:
        yield opened


def status(tab: Browser) -> str:
    """What the page says of all of its pictures."""
    return str(tab.evaluate('document.getElementById("status").textContent'))


def choose(tab: Browser, *paths: str, field: str = "file") -> None:
    """Gives files to a field, and waits until they are done with."""
    node = tab.call("Runtime.evaluate", expression=f'document.getElementById("{field}")')
    tab.call("DOM.setFileInputFiles", files=list(paths), objectId=node["result"]["objectId"])
    until(lambda: status(tab).startswith(f"{len(paths)} picture"))
    until(lambda: tab.evaluate("[...document.images].every((image) => image.complete)"))


def main() -> None:
    out = Path(os.environ["BUILD_WORKING_DIRECTORY"], *sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        files, models = Path(folder, "files"), Path(folder, "models")
        files.mkdir()
        models.mkdir()
        with zipfile.ZipFile(os.environ["PAGES"]) as pages:
            (files / "page.png").write_bytes(pages.read(_PAGE))
        with reader(models) as server, browser(files, files / "chromium.log") as tab:
            read(server, (files / "page.png").read_bytes())  # the first one takes longer
            tab.open(_WIDTH, False, f"http://{server.url}/ocr")
            choose(tab, "/files/page.png")
            # As it is where a reader of the README has it.
            tab.evaluate("""
              select(pages[0], 2);
              const code = document.querySelector("#curl");
              code.textContent = code.textContent.replace(location.host, "localhost:8080");
            """)
            tab.screenshot(out)
            height = tab.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
    picture = Picture.open(out).convert("RGB").crop((0, 0, _WIDTH, height))
    picture.quantize(_COLOURS, dither=Picture.Dither.NONE).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
