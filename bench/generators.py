"""What makes load: wrk, bench/load, perf_analyzer and h2load, and what each says of a run."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bench import oip, oip_grpc
from bench.cases import Case
from bench.measure import pinned
from bench.oip import Model, Request
from bench.servers import Server

# perf_analyzer measures three windows at least, and waits 1.2 times as long for each.
_WINDOWS = 3 * 1.2
_TRIAL = 640  # calls, to know how many make a round
_GRPC_HEADERS = ("te: trailers", "content-type: application/grpc")


@dataclass(frozen=True)
class Prepared:
    """A request of one row, as generators take it, in a folder of files."""

    model: Model
    request: Request
    folder: Path

    @property
    def body(self) -> Path:
        return self.folder / "body"

    @property
    def raw(self) -> Path:
        """All of the HTTP request."""
        return self.folder / "request"

    @property
    def message(self) -> Path:
        """The body of the gRPC request."""
        return self.folder / "message"

    @property
    def values(self) -> Path:
        """The row as perf_analyzer has it."""
        return self.folder / "values.json"

    @property
    def told(self) -> Path:
        """Where a generator tells what it found."""
        return self.folder / "told"


def prepare(folder: Path, model: Model, binary: bool) -> Prepared:
    inputs = model.inputs(1, np.random.RandomState(1))
    prepared = Prepared(model, oip.request(model.name, inputs, binary), folder)
    prepared.body.write_bytes(prepared.request.body)
    prepared.raw.write_bytes(prepared.request.raw)
    prepared.message.write_bytes(oip_grpc.framed(oip_grpc.message(model.name, inputs)))
    row = {
        name: {"content": array.ravel().tolist(), "shape": array.shape[1:]}
        for name, array in inputs.items()
    }
    prepared.values.write_text(json.dumps({"data": [row]}))
    return prepared


@dataclass(frozen=True)
class Load:
    """What a generator found; `requests` are all that it had done, measured or not."""

    rate: float
    requests: float
    errors: float
    p50_ms: float
    p99_ms: float


def load(case: Case, server: Server, prepared: Prepared, seconds: float, cores: set[int]) -> Load:
    """Puts the case's load on a server, from these cores."""
    with pinned(cores):
        return _GENERATORS[case.generator](case, server, prepared, seconds)


def _run(command: Sequence[str]) -> str:
    done = processes.run(command)
    said = done.stdout.decode(errors="replace")
    if done.returncode or not said.strip():
        raise UserError(f"{' '.join(command)} failed: {said}{done.stderr.decode(errors='replace')}")
    return said


def _wrk(case: Case, server: Server, prepared: Prepared, seconds: float) -> Load:
    url = f"http://127.0.0.1:{server.port}{prepared.request.path}"
    command = [os.environ["WRK"], "-t1", f"-c{case.connections}", f"-d{seconds:.0f}s"]
    command += ["-s", os.environ["WRK_LUA"], url, "--"]
    said = _run([*command, str(prepared.body), str(prepared.request.head)])
    told = json.loads(said.splitlines()[-1])
    rate = told["requests"] / told["seconds"]
    return Load(rate, told["requests"], told["errors"], told["p50_ms"], told["p99_ms"])


def _load(case: Case, server: Server, prepared: Prepared, seconds: float) -> Load:
    command = [os.environ["RUN"], os.environ["LOAD"], f"--port={server.port}"]
    command += [f"--connections={case.connections}", f"--rate={case.rate}"]
    said = _run([*command, f"--seconds={seconds}", f"--case=1:200:{prepared.raw}"])
    told = json.loads(said.splitlines()[-1])
    rate = told["answered"] / told["seconds"]
    errors = told["lost"] + told["wrong"]
    return Load(rate, told["answered"], errors, told["p50_ms"], told["p99_ms"])


def _perf_analyzer(case: Case, server: Server, prepared: Prepared, seconds: float) -> Load:
    before = _statistics(server, prepared.model)
    port = server.grpc_port if case.grpc else server.port
    command = [os.environ["PERF_ANALYZER"], "-m", prepared.model.name, "-u", f"127.0.0.1:{port}"]
    command += ["-i", "grpc" if case.grpc else "http", f"--input-data={prepared.values}"]
    command += [f"--concurrency-range={case.connections}", "-f", str(prepared.told)]
    # A thread of it for each request that is out, on its one core, would be what is measured.
    command += ["--async", "--max-threads=1"]
    # However far apart its windows are: rounds tell that.
    command += [f"--measurement-interval={seconds / _WINDOWS * 1000:.0f}", "-s", "1000000"]
    _run(command)
    after = _statistics(server, prepared.model)
    with prepared.told.open() as file:
        (told,) = csv.DictReader(file)
    return Load(
        float(told["Inferences/Second"]),
        after.succeeded - before.succeeded,
        after.failed - before.failed,
        float(told["p50 latency"]) / 1e3,
        float(told["p99 latency"]) / 1e3,
    )


def _h2load(case: Case, server: Server, prepared: Prepared, seconds: float) -> Load:
    """A number of calls that takes as long: where it stops by the clock it cuts some off.

    tritonserver 2.51 dies of that now and then (SIGSEGV).
    """
    before = _statistics(server, prepared.model)
    trial = _call(case, server, prepared, _TRIAL)
    told = _call(case, server, prepared, max(_TRIAL, int(trial.rate * seconds)))
    # It does not look at grpc-status, which ends an answer of 200.
    failed = _missing(server, prepared.model, before.succeeded + trial.good + told.good)
    errors = _TRIAL - trial.good + told.count - told.good + failed
    p50, p99 = np.percentile(told.us, [50, 99]) / 1e3
    return Load(told.rate, trial.good + told.good, errors, float(p50), float(p99))


@dataclass(frozen=True)
class _Calls:
    count: int
    us: NDArray[np.int64]  # of those that were answered by 200
    rate: float

    @property
    def good(self) -> int:
        return len(self.us)


def _call(case: Case, server: Server, prepared: Prepared, count: int) -> _Calls:
    prepared.told.unlink(missing_ok=True)  # it would be appended to
    command = [os.environ["H2LOAD"], "-t1", f"-c{case.connections}", f"-m{case.streams}"]
    command += [f"-n{count}", f"-d{prepared.message}", f"--log-file={prepared.told}"]
    for header in _GRPC_HEADERS:
        command += ["-H", header]
    said = _run([*command, f"http://127.0.0.1:{server.grpc_port}{oip_grpc.METHOD}"])
    # Lines of when it began, status and how long it took, in microseconds.
    start, status, us = np.loadtxt(prepared.told, dtype=np.int64, ndmin=2, unpack=True)
    if not start.size:
        raise UserError(f"{server.name} answers none of h2load's calls: {said}; see {server.log}")
    rate = len(start) * 1e6 / max(int((start + us).max() - start.min()), 1)
    return _Calls(count, us[status == 200], rate)


_GENERATORS: dict[str, Callable[[Case, Server, Prepared, float], Load]] = {
    "wrk": _wrk,
    "load": _load,
    "perf_analyzer": _perf_analyzer,
    "h2load": _h2load,
}


def _missing(server: Server, model: Model, wanted: int) -> int:
    """How many of so many requests did not succeed; servers may count after they answer."""
    for _ in range(100):
        missing = wanted - _statistics(server, model).succeeded
        if missing <= 0:
            return 0
        time.sleep(0.01)
    return missing


@dataclass(frozen=True)
class _Statistics:
    succeeded: int
    failed: int


def _statistics(server: Server, model: Model) -> _Statistics:
    """What became of all requests so far, as the server itself tells."""
    line = f"GET /v2/models/{model.name}/stats HTTP/1.1"
    answer = oip.ask(server.port, f"{line}\r\nHost: localhost\r\n\r\n".encode())
    told = json.loads(answer.body)["model_stats"]
    counts = [
        sum(int(one["inference_stats"][key]["count"]) for one in told)
        for key in ("success", "fail")
    ]
    return _Statistics(*counts)
