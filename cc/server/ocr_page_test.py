"""The page that reads pictures, as people meet it: in a browser, by mouse, keyboard and finger."""

from __future__ import annotations

import functools
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from bazel.image.base import namespaces
from bazel.image.tests.browser import Browser
from cc.server.ocr_page import browser, choose, status
from cc.server.pictures import read, reader
from cc.server.serving import Server, until

namespaces.require(Path(os.environ["TEST_TMPDIR"]))
PAGES = zipfile.ZipFile(os.environ["PAGES"])
PAGE, OTHER = "aside_kai.jpg", "kai_40.jpg"
WINDOWS = [(width, dark) for width in (360, 768, 1280) for dark in (False, True)]
MOST = 2_000_000  # bytes of a request

TOO_WIDE = """
[...document.querySelectorAll("body *")]
  .filter((e) => !e.closest("svg") && e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 120))
"""
# Texts with less contrast than WCAG 2.2 wants of small ones (1.4.3).
PALE = """
(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return {rgb: [r, g, b], a};
  };
  const ground = (element) => {
    if (element === null) return [255, 255, 255];
    const {rgb, a} = parse(getComputedStyle(element).backgroundColor);
    const below = ground(element.parentElement);
    return rgb.map((value, i) => a * value + (1 - a) * below[i]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v <= 10.31 ? v / 3294.6 : ((v / 255 + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b + .05;
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.getClientRects().length > 0 && !e.disabled
      && [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""))
    .map((e) => [light(parse(getComputedStyle(e).color).rgb), light(ground(e)), e.outerHTML])
    .filter(([a, b]) => Math.max(a, b) / Math.min(a, b) < 4.5);
})()
"""
KEYS = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40}


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # What is shown matters here, not what is read: pages are not made larger for it.
    flags = [f"--max_request_bytes={MOST}", "--ocr_side=32"]
    with reader(tmp_path_factory.mktemp("models"), flags) as server:
        yield server


@pytest.fixture(name="files", scope="module")
def a_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser sees as /files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(name="opened", scope="module")
def a_browser(files: Path) -> Iterator[Browser]:
    with browser(files, outputs() / "chromium.log") as opened:
        for domain in ("Network", "Accessibility"):
            opened.call(f"{domain}.enable")
        opened.call("Emulation.setFocusEmulationEnabled", enabled=True)
        download = {"behavior": "allow", "downloadPath": "/files"}
        opened.call("Browser.setDownloadBehavior", **download)
        granted = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        opened.call("Browser.grantPermissions", permissions=granted)
        yield opened


@pytest.fixture(name="tab")
def the_page(server: Server, opened: Browser) -> Iterator[Browser]:
    """The page, newly opened; nothing may leave its server, and nobody complain."""
    opened.problems.clear()
    opened.open(1280, False, f"http://{server.url}/ocr")
    point(opened, "h1")
    yield opened
    asked = [event["request"]["url"] for event in opened.told("Network.requestWillBeSent")]
    ours = (f"http://{server.url}/", f"blob:http://{server.url}/", "data:,")
    assert len(asked) > 0 and [url for url in asked if not url.startswith(ours)] == []
    # An answer that is an error is told by browsers themselves.
    assert [told for told in opened.problems if "Failed to load resource" not in told] == []


def outputs() -> Path:
    return Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"])


def put(files: Path, name: str, content: bytes | None = None) -> str:
    """A file that the browser sees, and what it is called there."""
    (files / name).write_bytes(PAGES.read(name) if content is None else content)
    return f"/files/{name}"


def texts(tab: Browser) -> list[list[str]]:
    """The lines of each article."""
    found: list[list[str]] = tab.evaluate(
        '[...document.querySelectorAll("article")].map((article) =>'
        ' [...article.querySelectorAll("li")].map((item) => item.firstChild.data))'
    )
    return found


def errors(tab: Browser) -> list[str]:
    """What is told of each article whose picture could not be read."""
    found: list[str] = tab.evaluate(
        '[...document.querySelectorAll("article:has(.bad)")].map((article) =>'
        ' [".told", ".why"].map((one) => article.querySelector(one).textContent).join(" "))'
    )
    return found


@functools.cache
def answer_of(server: Server, name: str) -> dict[str, Any]:
    """What the server says of a page, but for its times."""
    return dict(read(server, PAGES.read(name)))


def lines_of(answer: dict[str, Any]) -> list[str]:
    return [line["text"] for line in answer["lines"]]


def press(tab: Browser, *keys: str) -> None:
    for key in keys:
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        tab.call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        tab.call("Input.dispatchKeyEvent", type="keyUp", **code)


def point(tab: Browser, selector: str) -> dict[str, float]:
    """Moves the mouse to the middle of an element, which is where it says.

    Until a page is painted, browsers throw away what people do to it.
    """
    find = (
        f"(() => {{ const element = document.querySelector('{selector}');"
        " element.scrollIntoView({block: 'center'});"
        " const r = element.getBoundingClientRect();"
        " return [(r.left + r.right) / 2, (r.top + r.bottom) / 2]; })()"
    )

    def is_there() -> dict[str, float] | None:
        x, y = tab.evaluate(find)
        tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        there = tab.evaluate(f"document.querySelector('{selector}').matches(':hover')")
        return {"x": x, "y": y} if there else None

    place: dict[str, float] = until(is_there)
    return place


def click(tab: Browser, selector: str) -> None:
    place = point(tab, selector)
    for kind in ("mousePressed", "mouseReleased"):
        how = {"button": "left", "clickCount": 1, **place}
        tab.call("Input.dispatchMouseEvent", type=kind, **how)


def do(tab: Browser, what: str, article: int | None = None) -> None:
    """Clicks the button that does it: of an article, or of all."""
    root = "#all" if article is None else f"article:nth-child({article + 1})"
    click(tab, f"{root} [data-do={what}]")


def downloaded(path: Path) -> str:
    """The text of a file that a browser writes: first an empty one, which it then replaces."""
    until(lambda: path.exists() and path.stat().st_size > 0)
    return path.read_text(encoding="utf-8")


def marked(tab: Browser) -> list[int]:
    """Which line and which box are marked."""
    found: list[int] = tab.evaluate(
        '[...document.querySelectorAll(".on")]'
        ".map((one) => [...one.parentElement.children].indexOf(one))"
    )
    return found


def test_it_shows_what_the_server_reads_at_every_width_in_light_and_dark(
    server: Server, tab: Browser, files: Path
) -> None:
    answer = answer_of(server, PAGE)
    assert len(answer["lines"]) == 4
    choose(tab, put(files, PAGE), put(files, "notes.txt", b"notes"))
    assert status(tab) == "2 pictures, 4 lines; 1 could not be read."
    assert texts(tab) == [lines_of(answer), []]
    boxes = tab.evaluate(
        '[...document.querySelectorAll("polygon")].map((one) => one.getAttribute("points"))'
    )
    assert boxes == [" ".join(f"{x},{y}" for x, y in line["box"]) for line in answer["lines"]]
    assert "finding lines" in tab.evaluate('document.querySelector(".told").textContent')
    for width, dark in WINDOWS:
        tab.resize(width, dark)
        point(tab, "li:nth-child(2)")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert tab.evaluate(TOO_WIDE) == []
        assert tab.evaluate(PALE) == []
        # Boxes lie over the picture, whatever its size.
        seen = tab.evaluate(
            '[document.querySelector("img"), document.querySelector("svg")].map((one) =>'
            " { const r = one.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })"
        )
        assert np.allclose(seen[0], seen[1], atol=0.5)
        path = outputs() / f"ocr-{width}{'-dark' if dark else ''}.png"
        tab.screenshot(path)
        pixels = np.asarray(Picture.open(path).convert("RGB"))
        assert bool(pixels[2, 2].mean() < 90) == dark


def test_a_line_and_its_box_are_marked_together(tab: Browser, files: Path) -> None:
    choose(tab, put(files, PAGE))
    assert marked(tab) == []
    point(tab, "polygon:nth-child(3)")
    until(lambda: marked(tab) == [2, 2])
    point(tab, "li:nth-child(2)")
    until(lambda: marked(tab) == [1, 1])
    click(tab, "polygon:nth-child(4)")
    until(lambda: marked(tab) == [3, 3])
    assert tab.evaluate('document.activeElement.matches("li:nth-child(4)")')


def test_texts_are_copied_and_downloaded(server: Server, tab: Browser, files: Path) -> None:
    answers = {name: answer_of(server, name) for name in (PAGE, OTHER)}
    plain = {name: "".join(f"{text}\n" for text in lines_of(answers[name])) for name in answers}
    choose(tab, *(put(files, name) for name in answers))

    do(tab, "copy", 0)
    until(lambda: status(tab) == "Copied.")
    read_back = "navigator.clipboard.readText()"
    assert tab.evaluate(read_back) == plain[PAGE]
    # Without TLS browsers give pages no such thing.
    tab.evaluate(
        "window.saved = navigator.clipboard;"
        ' Object.defineProperty(navigator, "clipboard", {value: undefined, configurable: true})'
    )
    do(tab, "copy")
    both = plain[PAGE] + "\n" + plain[OTHER]
    until(lambda: tab.evaluate("saved.readText()") == both)

    do(tab, "text", 1)
    path = files / Path(OTHER).with_suffix(".txt")
    assert downloaded(path) == plain[OTHER]
    do(tab, "json")
    path = files / "pictures.json"
    pages = json.loads(downloaded(path))["pages"]
    assert [page.pop("file") for page in pages] == [PAGE, OTHER]
    assert all(page["milliseconds"]["read"] > 0 for page in pages)
    for page in pages:
        del page["milliseconds"]
    assert pages == list(answers.values())

    do(tab, "remove", 0)
    assert texts(tab) == [lines_of(answers[OTHER])]
    do(tab, "remove", 0)
    assert (texts(tab), status(tab)) == ([], "")


def test_a_keyboard_is_enough(server: Server, tab: Browser, files: Path) -> None:
    def focused() -> str:
        """What has the focus, which can be seen."""
        name, ring = tab.evaluate(
            "(() => { const e = document.activeElement; const on = e.closest('label') ?? e;"
            " return [e.ariaLabel || e.id || e.firstChild.data,"
            " getComputedStyle(on).outlineStyle]; })()"
        )
        assert ring == "solid", f"nobody sees that {name} has the focus"
        return str(name)

    path = put(files, PAGE)
    press(tab, "Tab")
    assert focused() == "language"
    press(tab, "Tab")
    assert focused() == "file"
    tab.call("Page.setInterceptFileChooserDialog", enabled=True)
    press(tab, "Enter")
    asked = tab.wait("Page.fileChooserOpened")
    tab.call("DOM.setFileInputFiles", files=[path], backendNodeId=asked["backendNodeId"])
    tab.call("Page.setInterceptFileChooserDialog", enabled=False)
    until(lambda: status(tab) == "1 picture, 4 lines.")
    lines = lines_of(answer_of(server, PAGE))
    for name in ("Copy the text", "Download the text", "Download the JSON", "Remove"):
        press(tab, "Tab")
        assert focused() == f"{name}: {PAGE}"
    press(tab, "Tab")
    assert focused() == lines[0]
    for key, line in (("ArrowDown", 1), ("End", 3), ("ArrowDown", 3), ("ArrowUp", 2), ("Home", 0)):
        press(tab, key)
        assert (focused(), marked(tab)) == (lines[line], [line, line])
    press(tab, "Tab")  # the other lines are no stops
    assert focused() == "What else it serves"
    tab.evaluate('document.querySelector("article [data-do=remove]").focus()')
    press(tab, "Enter")
    assert (focused(), texts(tab)) == ("file", [])


def test_screen_readers_are_told_what_is_there(tab: Browser, files: Path) -> None:
    choose(tab, put(files, PAGE))
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    tree = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    }
    assert tree >= {
        ("heading", "Read pictures"),
        ("button", "Choose pictures"),
        ("button", f"Copy the text: {PAGE}"),
        ("image", f"{PAGE}, with 4 lines marked"),
        ("listbox", "Lines of text"),
    }
    assert all(name for role, name in tree if role in {"button", "link", "image", "option"})
    assert sum(node["role"]["value"] == "option" for node in nodes if not node["ignored"]) == 4
    (live,) = [node for node in nodes if node.get("role", {}).get("value") == "status"]
    assert {"name": "live", "value": {"type": "token", "value": "polite"}} in live["properties"]


def test_it_speaks_chinese(server: Server, tab: Browser, files: Path) -> None:
    choose(tab, put(files, "pixel.png"), put(files, "notes.txt", b"notes"))
    click(tab, "#language")
    assert status(tab) == "2 张图片，没有文字；1 张无法识别。"  # noqa: RUF001
    assert tab.evaluate("[document.documentElement.lang, document.title, location.hash]") == [
        "zh",
        "图片文字识别 · paddle_server",
        "#zh",
    ]
    assert errors(tab)[0].startswith("服务器无法读取该文件。 it is no picture")
    words = tab.evaluate("[Object.keys(kTexts.en), Object.keys(kTexts.zh)]")
    assert words[0] == words[1]
    # By what is preferred, where nothing is said.
    agent = {"userAgent": "test", "acceptLanguage": "zh-CN"}
    tab.call("Emulation.setUserAgentOverride", **agent)
    tab.open(360, True, f"http://{server.url}/ocr")
    assert tab.evaluate("document.documentElement.lang") == "zh"
    tab.call("Emulation.setUserAgentOverride", userAgent="test", acceptLanguage="en")


def test_what_cannot_be_read_is_told(tab: Browser, files: Path) -> None:
    (files / "folder").mkdir()
    large = b"BM" + bytes(MOST)
    choose(
        tab,
        put(files, "cut.png", PAGES.read("kai_24.png")[:-100]),
        put(files, "notes.pdf", b"%PDF-1.4"),
        put(files, "large.bmp", large),
        put(files, OTHER),
    )
    cut, unknown, too_large = errors(tab)
    assert cut.startswith("The server cannot read this file. the PNG ends")
    assert unknown.endswith("it is a PDF; JPEG, PNG, BMP and WebP are read")
    assert too_large.startswith("The file is too large for the server.")
    assert [len(lines) > 0 for lines in texts(tab)] == [False, False, False, True]
    assert status(tab).endswith("; 3 could not be read.")
    assert tab.evaluate('document.querySelectorAll("[data-do=again]:not([hidden])").length') == 0


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('429, "{\\"error\\": \\"too many\\"}"', "The server is busy. too many"),
        ('503, "{\\"error\\": \\"the queue is full\\"}"', "The server is busy. the queue is full"),
        ('413, "<html>from a proxy"', "The file is too large for the server. "),
        ('502, "<html>from a proxy"', "The server does not answer. "),
        ('500, "{\\"error\\": \\"a worker died\\"}"', "The server has failed (500). a worker died"),
        ("", "The server does not answer. "),
    ],
)
def test_where_there_is_no_answer_one_can_try_again(
    tab: Browser, files: Path, answer: str, says: str
) -> None:
    if answer:
        code, body = answer.split(", ", 1)
        fake = f"async () => new Response({body}, {{status: {code}}})"
        tab.evaluate(f"window.real = fetch; window.fetch = {fake}; null")
    else:
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        tab.call("Network.emulateNetworkConditions", offline=True, **conditions)
    choose(tab, put(files, OTHER))
    assert errors(tab) == [says]
    if answer:
        tab.evaluate("window.fetch = real; null")
    else:
        tab.call("Network.emulateNetworkConditions", offline=False, **conditions)
    again = tab.evaluate('document.querySelectorAll("[data-do=again]:not([hidden])").length')
    assert again == (0 if answer.startswith("413") else 1)
    if not answer:
        do(tab, "again", 0)
        until(lambda: "could not" not in status(tab) and status(tab).startswith("1 picture"))
        assert errors(tab) == [] and len(texts(tab)[0]) == 3


def test_pictures_are_dropped_and_pasted(server: Server, tab: Browser, files: Path) -> None:
    path, answer = put(files, OTHER), answer_of(server, OTHER)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [path], "dragOperationsMask": 1}
        tab.call("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)
    until(lambda: status(tab).startswith("1 picture"))
    paste = """
    (async () => {
      const clipboardData = new DataTransfer();
      %s
      document.dispatchEvent(new ClipboardEvent("paste", {clipboardData}));
    })()
    """
    tab.evaluate(paste % 'clipboardData.setData("text/plain", "words");')
    until(lambda: status(tab) == "That was no file of a picture.")
    tab.evaluate(paste % "clipboardData.items.add(pages[0].file);")
    until(lambda: status(tab).startswith("2 pictures"))
    assert texts(tab) == [lines_of(answer)] * 2


def test_phones_photograph(tab: Browser, files: Path) -> None:
    hidden = (
        '["#photo", "[data-text=drop]"].map((one) =>'
        " document.querySelector(one).getClientRects().length === 0)"
    )
    assert tab.evaluate(hidden) == [True, False]
    try:
        size = {"width": 360, "height": 740, "deviceScaleFactor": 3, "mobile": True}
        tab.call("Emulation.setDeviceMetricsOverride", **size)
        tab.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=5)
        assert tab.evaluate(hidden) == [False, True]
        assert (
            tab.evaluate('document.getElementById("photo").getAttribute("capture")')
            == "environment"
        )
        # A camera held upright: the pixels lie on their side, and EXIF says so.
        exif = Picture.Exif()
        exif[0x0112] = 6
        stream = io.BytesIO()
        upright = Picture.open(io.BytesIO(PAGES.read(OTHER)))
        upright.rotate(90, expand=True).save(stream, "JPEG", quality=95, exif=exif)
        choose(tab, put(files, "photo.jpg", stream.getvalue()), field="photo")
        size_seen = tab.evaluate(
            "[document.images[0].naturalWidth, document.images[0].naturalHeight]"
        )
        assert size_seen == list(upright.size)
        assert [len(lines) for lines in texts(tab)] == [3]
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
    finally:
        tab.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_page_of_what_is_served_leads_to_it(server: Server, tab: Browser) -> None:
    tab.open(1280, False, f"http://{server.url}/")
    row = (
        '[...document.querySelectorAll("#models tr")].map((row) => row.innerText.split("\\t"))'
        '.find((row) => row[0] === "ocr / 1")?.slice(1, 3)'
    )

    def seen(what: int) -> Any:
        return (tab.evaluate(row) or ["", ""])[what]

    until(lambda: seen(0) == "ready")
    read(server, PAGES.read(PAGE))
    until(lambda: float(seen(1) or 0) > 0)
    tab.evaluate('[...document.links].find((one) => one.innerText === "Read pictures").click()')
    until(lambda: "Choose pictures" in tab.evaluate("document.body.innerText"))
    assert tab.evaluate("location.pathname") == "/ocr"
