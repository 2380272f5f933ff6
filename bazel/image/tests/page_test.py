"""The report's page as a person meets it: in a browser, wide and narrow, light and dark."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from bazel.image.base import namespaces
from bazel.image.tests.browser import Browser, browser

namespaces.require(Path(os.environ["TEST_TMPDIR"]))
_WINDOWS = [(1280, False), (760, True), (390, False)]

# What is drawn of the treemaps: rectangles and their labels, in CSS pixels of the page.
_DRAWN = """
[...document.querySelectorAll("svg.treemap")].filter((svg) => svg.getClientRects().length)
.map((svg) => {
  const box = (element) => {
    const r = element.getBoundingClientRect();
    return [r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY];
  };
  return {
    whole: box(svg),
    leaves: [...svg.querySelectorAll(".leaf rect")].map(box),
    rects: [...svg.querySelectorAll("rect")].map(box),
    labels: [...svg.querySelectorAll("text")].map((text) =>
      [text.textContent, box(text), box(text.parentElement.querySelector("rect"))]),
    titles: [...svg.querySelectorAll(".leaf title")].map((title) => title.textContent),
  };
})
"""
_TOO_WIDE = """
[...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 120))
"""
_VISIBLE = '[...document.querySelectorAll("#list tbody tr")].filter((row) => row.offsetHeight)'


def _pictures() -> Path:
    return Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    command = [os.environ["REPORT"], "--offline", "--out", str(folder / "images.html")]
    subprocess.run(command, env=os.environ | {"HOME": str(folder)}, check=True, timeout=240)
    return folder / "images.html"


@pytest.fixture(scope="module")
def tab(page: Path) -> Iterator[Browser]:
    tools = Path(os.environ["BWRAP"]), Path(os.environ["BROWSER"])
    with browser(*tools, page, _pictures() / "chromium.log") as opened:
        yield opened


def _drawn(tab: Browser) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = tab.evaluate(_DRAWN)
    return drawn


def _within(inner: list[float], outer: list[float], slack: float) -> bool:
    return (
        inner[0] >= outer[0] - slack
        and inner[1] >= outer[1] - slack
        and inner[2] <= outer[2] + slack
        and inner[3] <= outer[3] + slack
    )


@pytest.mark.parametrize(("width", "dark"), _WINDOWS)
def test_it_fits_its_window_and_says_what_it_has_to(tab: Browser, width: int, dark: bool) -> None:
    tab.open(width, dark)
    assert tab.problems == []
    assert tab.evaluate("innerWidth") == width
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(_TOO_WIDE) == []
    text = tab.evaluate("document.body.innerText")
    for name in os.environ["NAMES"].split():
        assert name in text
    for word in ("What takes the space", "Layers", "Packages", "base files", "libc6", "--offline"):
        assert word in text


@pytest.mark.parametrize(("width", "dark"), _WINDOWS)
def test_treemaps_are_coloured_and_their_labels_fit(tab: Browser, width: int, dark: bool) -> None:
    tab.open(width, dark)
    path = _pictures() / f"report-{width}{'-dark' if dark else ''}.png"
    tab.screenshot(path)
    pixels = np.asarray(Picture.open(path).convert("RGB"))
    ground = pixels[2, 2].astype(int)
    assert bool(ground.mean() < 90) == dark
    some = pixels[::5, ::5].reshape(-1, 3)
    assert len(np.unique(some, axis=0)) > 50, "the page is all but blank"
    drawn = _drawn(tab)
    assert len(drawn) == len(os.environ["NAMES"].split())
    for treemap in drawn:
        whole = treemap["whole"]
        assert whole[2] - whole[0] > width * 0.8
        assert len(treemap["leaves"]) >= 3
        for rectangle in treemap["rects"]:
            assert _within(rectangle, whole, 0.5)
        for left, top, right, bottom in treemap["leaves"]:
            if right - left < 6 or bottom - top < 6:
                continue
            # Beside the lower right corner, where no label is.
            colour = pixels[int(bottom) - 3, int(right) - 3]
            assert abs(colour - ground).max() > 12, (left, top, right, bottom)
        assert any(label for label, _, _ in treemap["labels"])
        for label, box, around in treemap["labels"]:
            assert _within(box, around, 1), f"{label} does not fit"
        assert all(treemap["titles"])


def test_the_list_is_filtered_and_sorted(tab: Browser) -> None:
    tab.open(1280)
    every = tab.evaluate(f"{_VISIBLE}.length")
    assert tab.evaluate('document.getElementById("count").textContent') == f"{every} packages"

    def enter(field: str, value: str) -> list[str]:
        tab.evaluate(
            f'{{ const field = document.getElementById("{field}"); field.value = "{value}";'
            ' field.dispatchEvent(new Event("input")); }'
        )
        found: list[str] = tab.evaluate(f"{_VISIBLE}.map((row) => row.cells[0].textContent)")
        return found

    assert enter("text", "LIBC6") == ["libc6"]
    assert tab.evaluate('document.getElementById("count").textContent') == f"1 of {every} packages"
    assert enter("text", "no such package") == []
    assert len(enter("text", "")) == every
    debs = enter("kind", "deb")
    assert 0 < len(debs) < every and "libc6" in debs
    enter("kind", "")

    def click(column: int) -> list[str]:
        tab.evaluate(f'document.querySelectorAll("#list th button")[{column}].click()')
        found: list[str] = tab.evaluate(
            f"{_VISIBLE}.map((row) => row.cells[{column}].dataset.value"
            f" ?? row.cells[{column}].textContent)"
        )
        return found

    names = [name.lower() for name in click(0) if name.isalnum()]
    assert names == sorted(names)
    assert [name.lower() for name in click(0) if name.isalnum()] == names[::-1]
    sizes = [int(size) for size in click(4)]
    assert sizes == sorted(sizes, reverse=True)
    assert tab.problems == []


def test_it_is_whole_without_scripts(tab: Browser) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(1280)
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    rows = tab.evaluate(f"{_VISIBLE}.length")
    assert f"{rows} packages" in tab.evaluate("document.body.innerText")


def test_it_asks_for_nothing_elsewhere(page: Path) -> None:
    text = page.read_text()
    for word in ("src=", "@import", "url(", 'href="http', "fetch(", "<link"):
        assert word not in text
