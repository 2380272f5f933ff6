"""The OCR service of this machine: servers go, and no request is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CLIENTS = 4
SECONDS = 240  # what takes longer hangs
PAGES = zipfile.ZipFile(os.environ["PAGES"])
# Pages of a few lines, and what is on them; none that is broad, which takes as long as five others.
KNOWN = [
    (PAGES.read(known["file"]), [line["text"] for line in known["answer"]])
    for known in json.loads(PAGES.read("pages.json"))
    if 0 < len(known["answer"]) <= 3 and not known["file"].startswith("line")
]


def free_ports(count: int) -> int:
    """The first of so many, below those that the kernel gives to whoever asks for any."""
    while True:
        first = random.randrange(20000, 32000)
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first


class Local:
    """The service, from construction to stop()."""

    def __init__(self, cache: Path) -> None:
        self.port = free_ports(4)
        flags = [
            f"--{name}={os.environ[f'LOCAL_{name.upper()}']}"
            for name in ("nginx", "prometheus", "server")
        ]
        self.process = subprocess.Popen(
            [os.environ["LOCAL"], *flags, f"--port={self.port}"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PADDLE_IMAGES_CACHE": str(cache)},
        )
        self.told = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.told += line

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, f"not yet: {what}\n{self.told}"
            time.sleep(0.05)

    def until_told(self, pattern: str, times: int = 1) -> None:
        self.until(lambda: len(re.findall(pattern, self.told)) >= times, pattern)

    def processes(self, server: int) -> list[int]:
        """Of each time that this server was ready."""
        return [
            int(pid) for pid in re.findall(rf"ready    server {server}, process (\d+)", self.told)
        ]

    def query(self, text: str) -> list[Any]:
        query = urllib.parse.urlencode({"query": text})
        url = f"http://127.0.0.1:{self.port + 3}/api/v1/query?{query}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(SECONDS)
        self._thread.join()
        return code


@dataclass
class Load:
    """Clients that ask until the end of a `with`, each on a connection of its own."""

    port: int
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self.threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        choose = random.Random(number)
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        while not self.ends.is_set():
            picture, texts = choose.choice(KNOWN)
            try:
                client.request("POST", "/v1/ocr", picture, {"Content-Type": "image/png"})
                answer = client.getresponse()
                body = answer.read()
                said = json.loads(body)["pages"][0]["lines"] if answer.status == 200 else []
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.wrong.append(repr(error))
                client.close()
                continue
            if [line["text"] for line in said] == texts:
                self.right += 1
            else:
                self.wrong.append(f"{answer.status} {body!r}")


@pytest.fixture(scope="module", name="local")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    local = Local(tmp_path_factory.mktemp("cache"))
    try:
        local.until_told("Ctrl-C stops it all")
        yield local
    finally:
        if local.process.poll() is None:
            local.stop()


def test_no_request_is_lost_when_servers_go(local: Local) -> None:
    with Load(local.port) as load:
        local.until(lambda: load.right + len(load.wrong) > 2 * CLIENTS, "there is load")

        os.kill(local.processes(1)[0], signal.SIGKILL)
        local.until_told("ended    server 1, with -9")
        local.until(lambda: len(local.processes(1)) == 2, "server 1 is there again")

        local.process.send_signal(signal.SIGUSR1)
        local.until(lambda: len(local.processes(1)) == 3, "server 1 is replaced")
        local.until(lambda: len(local.processes(2)) == 2, "server 2 is replaced")
        answered = load.right
        local.until(lambda: load.right > answered + CLIENTS, "the new ones read")
    assert load.wrong == []
    # They were needed: servers were away while they were asked.
    (folder,) = re.findall(r"they write to (\S+)", local.told)
    assert "while connecting to upstream" in Path(folder, "nginx.log").read_text()


def test_prometheus_sees_both_servers_and_their_work(local: Local) -> None:
    local.until(lambda: len(local.query('up{job="ocr"} == 1')) == 2, "both are scraped")
    work = 'paddle_server_requests_total{endpoint="ocr",code="200"} > 0'
    local.until(lambda: len(local.query(work)) == 2, "both have read")
    assert local.query('ALERTS{alertstate="firing"}') == []
    assert local.query("count(ALERTS_FOR_STATE) or vector(0)")  # rules are there and are evaluated


def test_it_shows_the_page_and_hides_metrics(local: Local) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{local.port}/ocr", timeout=30) as page:
        assert b"<html" in page.read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{local.port}/metrics", timeout=30)


def test_it_stops_and_leaves_nothing(local: Local) -> None:
    (folder,) = re.findall(r"they write to (\S+)", local.told)
    pids = [pid for server in (1, 2) for pid in local.processes(server)]
    assert local.stop() == 128 + signal.SIGTERM
    assert not Path(folder).exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    for port in range(local.port, local.port + 4):
        socket.create_server(("127.0.0.1", port)).close()
