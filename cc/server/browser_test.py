"""What people and their pages see of the server, in a browser."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from bazel.image.base import namespaces
from bazel.image.tests.browser import Browser, browser
from cc.server.repository import ROWS, Repository, infer, request
from cc.server.serving import Server, serving, until

namespaces.require(Path(os.environ["TEST_TMPDIR"]))
WINDOWS = [(1280, False), (760, True), (390, False)]
TOO_WIDE = """
[...document.querySelectorAll("body > *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 120))
"""
TABLE = """
[...document.querySelectorAll("#models tbody tr")]
  .map((row) => [...row.cells].map((cell) => cell.textContent))
"""


def pictures() -> Path:
    return Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"])


@pytest.fixture(name="tab")
def a_tab() -> Iterator[Browser]:
    tools = Path(os.environ["BWRAP"]), Path(os.environ["BROWSER"])
    with browser(*tools, None, pictures() / "chromium.log") as tab:
        yield tab


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = Repository(tmp_path_factory.mktemp("repository"), digits="times2", reviews="times1")
    models.put("reviews", 2, "times1")
    models.put("<b>broken", 1, "times1", cut=True)
    with serving(models.flag, "--exit_on_error=0") as server:
        yield server


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def a_page() -> Iterator[str]:
    """The origin of a page that somebody else serves."""
    # With threads: a browser opens connections ahead, and a silent one would hold up all others.
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


def table(tab: Browser) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in tab.evaluate(TABLE)}


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_the_page_shows_what_is_served(
    server: Server, tab: Browser, width: int, dark: bool
) -> None:
    tab.open(width, dark, f"http://{server.url}/")
    until(lambda: table(tab))

    def is_counted() -> bool:
        status, *_ = server.call("POST", infer("digits"), request(ROWS))
        assert status == 200
        rate, median = table(tab)["digits / 1"][1:3]
        return float(rate or 0) > 0 and median.endswith("ms")

    until(is_counted)
    assert server.call("POST", infer("digits"), "{}")[0] == 400
    until(lambda: table(tab)["digits / 1"][6] == "1")
    rows = table(tab)
    assert rows.pop("<b>broken / 1") == ["unavailable", *[""] * 6]
    (why,) = [name for name in rows if not rows[name]]
    assert "model.pdmodel is damaged" in why
    del rows[why]
    assert set(rows) == {"digits / 1", "reviews / 1", "reviews / 2"}
    assert {row[0] for row in rows.values()} == {"ready"}
    assert rows["reviews / 2"][3:6] == ["", "0", "0"]
    text = tab.evaluate("document.body.innerText")
    assert "Read pictures" not in text
    for word in ("ready", "Paddle 2.6.2", "on cpu", "in flight", "Statistics", "Metrics"):
        assert word in text
    assert tab.evaluate("innerWidth") == width
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(TOO_WIDE) == []
    assert tab.problems == []
    path = pictures() / f"page-{width}{'-dark' if dark else ''}.png"
    tab.screenshot(path)
    pixels = np.asarray(Picture.open(path).convert("RGB"))
    assert bool(pixels[2, 2].mean() < 90) == dark


def test_links_lead_to_answers(server: Server, tab: Browser) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(760, False, f"http://{server.url}/")
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "told by the links" in tab.evaluate("document.body.innerText")
    links = tab.evaluate(
        "[...document.links].filter((link) => link.getClientRects().length > 0)"
        ".map((link) => link.getAttribute('href'))"
    )
    assert len(links) == 4
    for link in links:
        status, _, body = server.call("GET", f"/{link}")
        assert (status, len(body) > 0) in {(200, True), (503, True)}


def test_the_page_says_that_the_server_is_gone(tmp_path: Path, tab: Browser) -> None:
    models = Repository(tmp_path, m="times2")
    with serving(models.flag) as server:
        tab.open(760, True, f"http://{server.url}/")
        until(lambda: "m / 1" in table(tab))
        # Nobody asks by a log line that tells nothing: what is polled is not logged.
        asked = len(server.logged("request"))
        before = server.metric("paddle_server_connections_total")
        until(lambda: server.metric("paddle_server_connections_total") > before)
        assert len(server.logged("request", path="/metrics")) == 0
        assert len(server.logged("request")) - asked <= 2
    until(lambda: "does not answer" in tab.evaluate("document.body.innerText"))


ASK = """
fetch("http://{url}/v2/models/m/infer", {{
  method: "POST",
  headers: {{
    "Content-Type": "application/octet-stream",
    "Inference-Header-Content-Length": "0",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  }},
  body: new Float32Array([1, 2, 3, 4]),
}}).then(async (answer) => {{
  const length = Number(answer.headers.get("Inference-Header-Content-Length"));
  const bytes = await answer.arrayBuffer();
  return [answer.status, [...new Float32Array(bytes.slice(length))]];
}}, (error) => [0, String(error)])
"""
ERROR = """
fetch("http://{url}/v2/models/none").then(
  async (answer) => [answer.status, (await answer.json()).error], (error) => [0, String(error)])
"""


def ask(tab: Browser, server: Server, what: str = ASK) -> Any:
    return tab.evaluate(what.format(url=server.url))


def test_pages_of_other_origins_ask_where_they_may(tmp_path: Path, tab: Browser) -> None:
    models = Repository(tmp_path, m="times2")
    with a_page() as origin, a_page() as stranger:
        with serving(models.flag, f"--cors_origins={origin},https://app.example.com") as server:
            tab.open(760, False, origin)
            assert ask(tab, server) == [200, [2, 4, 6, 8]]
            status, error = ask(tab, server, ERROR)
            assert (status, "unknown model" in error) == (404, True)
            assert tab.problems == [p for p in tab.problems if "404" in p]  # the console tells it
            # A browser asks first, and remembers the answer.
            ask(tab, server)
            until(lambda: len(server.logged("request", method="POST", status=200)) == 2)
            (preflight,) = server.logged("request", method="OPTIONS")
            assert preflight["status"] == 204
            tab.open(760, False, stranger)
            assert ask(tab, server) == [0, "TypeError: Failed to fetch"]
            assert ask(tab, server, ERROR) == [0, "TypeError: Failed to fetch"]
            until(lambda: server.logged("request", method="OPTIONS", status=403))
        with serving(models.flag, "--cors_origins=*") as server:
            assert ask(tab, server) == [200, [2, 4, 6, 8]]
        with serving(models.flag) as server:
            assert ask(tab, server) == [0, "TypeError: Failed to fetch"]
