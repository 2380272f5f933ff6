"""A page in headless Chromium of the lock, as a person would meet it: without a network, unless it
is served.

Chromium starts itself anew through /proc/self/exe, so it runs under bubblewrap with the browser's
package set as its root. It is told what to do by the DevTools protocol over a pipe:
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_FLAGS = [
    "--headless",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-sandbox",  # bubblewrap is one already
    "--no-zygote",
    "--remote-debugging-pipe",
    "about:blank",
]


def command(
    bwrap: Path, root: Path, page: Path | None, font: Path | None, files: Path | None
) -> list[str]:
    """Chromium under bubblewrap; `browser` says what it gets."""
    root = root.resolve()
    words = [str(bwrap), "--unshare-all", "--die-with-parent", "--clearenv"]
    for folder in sorted(root.iterdir()):
        words += ["--ro-bind", str(folder), f"/{folder.name}"]
    words += ["--ro-bind", str(root), str(root)]  # absolute links in it lead there
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--setenv", "HOME", "/tmp"]
    words += ["--ro-bind", str(page.resolve()), "/page.html"] if page else ["--share-net"]
    if font:
        words += ["--ro-bind", str(font.resolve()), f"/tmp/.fonts/{font.name}"]
    if files:
        words += ["--bind", str(files.resolve()), "/files"]
    return [*words, "--", "/usr/lib/chromium/chromium", *_FLAGS]


class Browser:
    """A tab of a browser; `problems` are what it told on its console."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._data, self._number, self._session = b"", 0, ""
        self._events: list[Json] = []
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _receive(self) -> Json:
        while b"\0" not in self._data:
            block = os.read(self._from, 1 << 20)
            if not block:
                raise AssertionError("the browser has ended")
            self._data += block
        message, _, self._data = self._data.partition(b"\0")
        told: Json = json.loads(message)
        about = told.get("params", {})
        match told.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.problems.append(json.dumps(about["args"]))
            case "Log.entryAdded":
                self.problems.append(about["entry"]["text"])
            case str():
                self._events.append(told)
        return told

    def call(self, method: str, **parameters: object) -> Json:
        self._number += 1
        message: Json = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith("Browser."):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            pass
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def told(self, method: str) -> list[Json]:
        """The parameters of all events of a kind since the page was opened."""
        return [event["params"] for event in self._events if event["method"] == method]

    def wait(self, method: str, **parameters: object) -> Json:
        """Those of the first event of a kind that has these among them, as soon as it is there."""
        while not (
            found := [one for one in self.told(method) if parameters.items() <= one.items()]
        ):
            self._receive()
        return found[0]

    def resize(self, width: int, dark: bool = False) -> None:
        """Makes the window as wide, in CSS pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, width: int, dark: bool = False, url: str = "file:///page.html") -> None:
        """Shows a page in a window of a width."""
        self.resize(width, dark)
        self._events.clear()
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression; of a promise, what it comes to."""
        how = {"returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", expression=expression, **how)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """All of the page as a PNG, to its very end."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        answer = self.call(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1},
        )
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def browser(
    bwrap: Path,
    root: Path,
    page: Path | None,
    log: Path,
    font: Path | None = None,
    files: Path | None = None,
) -> Iterator[Browser]:
    """A browser for the time of a `with`.

    Args:
        bwrap: bubblewrap.
        root: what it runs in, the package set `browser`.
        page: /page.html, without a network; None where a server here has the page.
        log: gets what it says on stderr.
        font: a file of one more.
        files: a folder that it may write to, /files.
    """
    # Chromium wants its ends as 3 and 4; from 10 on placing one does not close another.
    ends = []
    for fd in (*os.pipe(), *os.pipe()):
        ends.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(fd)
    commands, to_browser, from_browser, answers = ends

    def place() -> None:
        os.dup2(commands, 3)
        os.dup2(answers, 4)

    with log.open("wb") as errors:
        words = command(bwrap, root, page, font, files)
        process = subprocess.Popen(words, stderr=errors, preexec_fn=place, pass_fds=(3, 4))
    os.close(commands)
    os.close(answers)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        process.kill()  # and the kernel those that it started: --die-with-parent
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
