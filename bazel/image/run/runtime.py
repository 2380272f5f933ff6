"""For tests: registries and containers that end with the test, whatever happens to it.

    with runtime.registry(storage) as port: ...
    with runtime.Container(layout, cache=tmp_path) as container:
        container.wait_ready("/v2/health/ready")
        requests.get(container.url + "/v2")
        code = container.stop()

A Container is the very program behind `//images:<image>_run`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from bazel.image.base import processes
from bazel.image.oci.layout import Image
from bazel.image.registry import registry as embedded

NAME = "test"  # of images in a cache
# What takes longer hangs: on a machine with ten times the load that it bears, 60 s were not enough.
SECONDS = 300


def tool(name: str) -> Path:
    """A program of the lock, like skopeo."""
    files = Path(os.environ["TEST_SRCDIR"])
    for line in (files / "_repo_mapping").read_text().splitlines():
        _, apparent, folder = line.split(",")
        path = files / folder / "bin" / name
        if apparent == "debian_tools" and path.exists():
            return path
    raise FileNotFoundError(
        f"{name} is not in the test's runfiles: depend on //bazel/image:runtime"
    )


def registry(storage: Path) -> AbstractContextManager[int]:
    """The embedded registry over a folder, on a free port that the `with` gives."""
    return embedded.serve(tool("docker-registry"), storage)


def without_namespaces() -> list[str]:
    """What starts a program that may make no user namespace, as on some machines."""
    bwrap = str(tool("bwrap"))
    return [bwrap, "--unshare-user", "--disable-userns", "--dev-bind", "/", "/"]


def _descendants(pid: int) -> list[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def _memory(pid: int) -> tuple[int, int]:
    """Bytes: at most of its own, and of the files that it maps."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        kib = {name: int(value) for name, value in re.findall(r"(\w+):\s*(\d+) kB", status)}
        files = kib.get("RssFile", 0)
        return (kib.get("VmHWM", files) - files) * 1024, files * 1024
    return 0, 0


class Container:
    """An image that runs, as its user, from construction until stop()."""

    def __init__(
        self,
        layout: Path,
        *,
        cache: Path,
        arguments: list[str] | None = None,
        options: list[str] | None = None,
        port: int = 0,
    ) -> None:
        """Starts the image of a layout; port 0 is any free one.

        `arguments` replace the image's own, `options` are those of the run
        program, like --volume. The image is unpacked into `cache`.
        """
        command = [sys.executable, "-m", "bazel.image.run.run", f"--name={NAME}"]
        command += [f"--layout={layout}", f"--bwrap={tool('bwrap')}", f"--cache={cache}"]
        command += [f"--emulators={tool('bwrap').parents[1] / 'root'}"]
        exposes = Image(layout).config["config"].get("ExposedPorts")
        if port or (exposes and "--network=host" not in (options or [])):
            command += [f"--port={port}"]
        command += options or []
        self._process = processes.start(
            [*command, "--", *(arguments or [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.stdout, self.stderr = "", ""
        self._threads = [
            threading.Thread(target=self._collect, args=(name,), daemon=True)
            for name in ("stdout", "stderr")
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.stop()

    def _collect(self, name: str) -> None:
        for line in getattr(self._process, name):
            setattr(self, name, getattr(self, name) + line.decode(errors="replace"))

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT, once the image is unpacked."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if match := re.search(r"http://127\.0\.0\.1:\d+", self.stderr):
                return match[0]
            if not self.running:
                break
            time.sleep(0.02)
        raise AssertionError(f"the image did not start:\n{self.stdout}{self.stderr}")

    def address(self, port: int) -> str:
        """127.0.0.1:PORT that leads to a port of the image, once it is unpacked."""
        _ = self.url  # all are told in one line
        match = re.search(rf"(127\.0\.0\.1:\d+) leads to its port {port}\b", self.stderr)
        assert match, self.stderr
        return match[1]

    def wait_ready(self, path: str, seconds: float = SECONDS) -> None:
        """Waits until GET of a path answers 200."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + seconds
        last: object = None
        while self.running and time.monotonic() < deadline:
            try:
                with opener.open(self.url + path, timeout=5):
                    return
            except (OSError, urllib.error.URLError) as error:
                last = error
            time.sleep(0.05)
        raise AssertionError(f"{path} is not ready: {last}\n{self.stdout}{self.stderr}")

    def ask(
        self, path: str, status: int = 200, posted: bytes | None = None, seconds: float = SECONDS
    ) -> tuple[int, str]:
        """Status and body of the answer to a GET, or to a POST of what is `posted`.

        A 503, where another `status` is wanted, is of a service that is not ready yet: it is asked
        again until the time is over.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + seconds
        last: object = None
        while self.running and time.monotonic() < deadline:
            try:
                # A POST is work, and under QEMU a lot of it.
                patience = 10 if posted is None else seconds
                with opener.open(self.url + path, posted, timeout=patience) as answer:
                    return answer.status, answer.read().decode(errors="replace")
            except urllib.error.HTTPError as error:
                code, body = error.code, error.read().decode(errors="replace")
                if code != 503 or status == 503:
                    return code, body
                last = f"503 {body}"
            except OSError as error:
                last = error
            time.sleep(0.1)
        raise AssertionError(f"{path} does not answer: {last}\n{self.stdout}{self.stderr}")

    def peak_bytes(self) -> int:
        """What its processes that run had in memory at most, each by itself: together no less.

        Files that they map, as libraries, are there once; the most that one has of them counts.
        """
        memory = [_memory(pid) for pid in _descendants(self._process.pid)]
        return sum(own for own, _ in memory) + max((files for _, files in memory), default=0)

    def stop(self, seconds: float = SECONDS) -> int:
        """Sends SIGTERM, as Kubernetes would; gives the exit code.

        Not amid the log lines of what was just asked: CPython's streams are not reentrant, and a
        handler that logs, as Jupyter's, fails then with a RuntimeError and does not stop.
        """
        self._wait_quiet()
        if self.running:
            self._process.terminate()
        return self.wait(seconds)

    def _wait_quiet(self, seconds: float = 5) -> None:
        """Waits until nothing was written for a moment, or so long."""
        deadline = time.monotonic() + seconds
        written = -1
        while self.running and time.monotonic() < deadline:
            now = len(self.stdout) + len(self.stderr)
            if now == written:
                return
            written = now
            time.sleep(0.3)

    def wait(self, seconds: float = SECONDS) -> int:
        """Waits until the program ends by itself; gives the exit code."""
        try:
            code = self._process.wait(seconds)
        finally:
            if self.running:
                self._process.kill()
        for thread in self._threads:
            thread.join(5)
        return code

    @property
    def pid(self) -> int:
        """The process of the run program, whose child is bubblewrap."""
        return self._process.pid
