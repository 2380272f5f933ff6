"""The server program, its model and its samples, for tests."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PROGRAM = [os.environ["RUN"], os.environ["SERVER"]]
DIGITS = Path(os.environ["DIGITS"])
SAMPLES = Path(os.environ["SAMPLES"])
IMAGES: npt.NDArray[np.float32] = np.load(SAMPLES / "x.npy")
LABELS: npt.NDArray[np.int64] = np.load(SAMPLES / "labels.npy")
REQUEST = (SAMPLES / "request.json").read_text()
INFER = "/v2/models/digits/infer"


def make_repository(root: Path) -> Path:
    """Two versions of digits, to serve."""
    for version in ("1", "2"):
        shutil.copytree(DIGITS, root / "digits" / version)
    return root


class Server:
    """A running server and what it has logged."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", "--port=0", *flags], stdout=subprocess.PIPE, text=True
        )
        self.log: list[dict[str, Any]] = []
        self.port = 0
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(json.loads(line))
            if self.log[-1]["msg"] == "listening":
                self.port = self.log[-1]["port"]
                break
        # The rest is read beside the test, or the server would wait for us.
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.log += [json.loads(line) for line in self.process.stdout]

    def call(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def metric(self, series: str) -> float:
        text = self.call("GET", "/metrics")[2].decode()
        found = re.search(f"^{re.escape(series)} (.*)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code, and seconds it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code, time.monotonic() - start


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[Server]:
    server = Server(*flags)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        server.reader.join()


def run(
    *arguments: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (env or {}),
    )
