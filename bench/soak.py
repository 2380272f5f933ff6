"""Our server under mixed requests for minutes: does it lose one, answer one wrongly, or grow?

    ./bazelw run //bench:soak [-- --minutes 3 --model DIR --server '--threads=2']

Shapes and sizes of many kinds, binary and JSON, of all models at once, and some malformed requests.
Every answer is compared with the one that came to the same request before, alone. A wrong answer, a
lost request or a server that ends is an exit code of 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bazel.image.private import processes
from bazel.image.private.processes import UserError, say
from bench import oip
from bench.measure import pinned
from bench.oip import Model
from bench.servers import Server, Site

_INTERVALS = 18
_SHAPES = 12  # requests of each model, of other sizes and other values
_ROWS = 8
_JSON_SHARE = 0.25
_GROWTH = 1.02  # of memory after the first third that is told as growth


def _http(line: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [line, "Host: localhost", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def malformed(model: Model) -> list[bytes]:
    """Requests that no server should answer but with an error of the client's."""
    inputs = model.inputs(2, np.random.RandomState(0))
    good = oip.request(model.name, inputs, binary=False)
    binary = oip.request(model.name, inputs, binary=True)
    post = f"POST {good.path} HTTP/1.1"
    head = f"Inference-Header-Content-Length: {binary.head}"
    told = json.loads(good.body)
    return [
        _http(post, good.body[:-2]),
        _http(post, b"[]"),
        _http(post, b"\x00\xff"),
        _http(post, json.dumps({"inputs": []}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"name": "no_such"}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"datatype": "FP99"}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"shape": [2, 3]}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"data": ["x"]}]}).encode()),
        _http(post, binary.body[:-1], head),
        _http(post, binary.body, "Inference-Header-Content-Length: 999999999"),
        _http(post, good.body, "Content-Encoding: gzip"),
        _http("POST /v2/models/no_such_model/infer HTTP/1.1", good.body),
        _http("GET /no/such/path HTTP/1.1"),
        _http(f"DELETE {good.path} HTTP/1.1"),
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"no HTTP at all\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n",
    ]


@dataclass(frozen=True)
class Interval:
    """What a part of the time gave."""

    told: dict[str, Any]
    memory: int
    files: int
    processes: int

    def line(self, minutes: float) -> str:
        statuses = ", ".join(f"{code}: {n:,}" for code, n in self.told["statuses"].items())
        cells = [f"{minutes:.2f}", f"{self.told['answered']:,}", statuses]
        cells += [str(self.told["lost"]), str(self.told["wrong"]), f"{self.told['p99_ms']:.1f}"]
        cells += [f"{self.memory / 1e6:.0f}", str(self.files), str(self.processes)]
        return f"| {' | '.join(cells)} |"


_HEAD = (
    "| minutes | answered | by status | lost | wrong | p99 ms | memory MB | files | processes |\n"
    + "| --- " * 9
    + "|"
)


class Soak:
    """A server, and requests with the answers that they must get."""

    def __init__(self, server: Server, models: Sequence[Model], args: argparse.Namespace) -> None:
        self._server, self._args = server, args
        folder = server.log.parent / "requests"
        folder.mkdir()
        self._cases: list[str] = []
        for model in models:
            self._prepare(model, folder, (1 - args.malformed) / len(models))
        for number, request in enumerate(malformed(models[0])):
            answer = oip.ask(server.port, request)
            if not 400 <= answer.status < 500:
                raise UserError(f"a malformed request got {answer.status}: {request[:200]!r}")
            path = folder / f"malformed-{number}"
            path.write_bytes(request)
            share = args.malformed / len(malformed(models[0]))
            self._cases.append(f"--case={share}:{answer.status}:{path}")

    def _prepare(self, model: Model, folder: Path, share: float) -> None:
        for number in range(_SHAPES):
            random = np.random.RandomState(number)
            inputs = model.inputs(int(random.randint(1, _ROWS + 1)), random)
            for binary in (True, False):
                request = oip.request(model.name, inputs, binary)
                answer = oip.ask(self._server.port, request.raw)
                if answer.status != 200:
                    raise UserError(f"{model.name}: {answer.status}: {answer.body[:500]!r}")
                path = folder / f"{model.name}-{number}-{'binary' if binary else 'json'}"
                path.write_bytes(request.raw)
                right = path.with_suffix(".answer")
                right.write_bytes(answer.body)
                part = 1 - _JSON_SHARE if binary else _JSON_SHARE
                self._cases.append(f"--case={share * part / _SHAPES}:200:{path}:{right}")

    def interval(self, number: int, seconds: float, cores: set[int]) -> Interval:
        """Loads the server for a while. What else happens to it meanwhile (reloads, rolling
        SIGTERMs) belongs here, beside the load."""
        command = [os.environ["RUN"], os.environ["LOAD"], f"--port={self._server.port}"]
        command += [f"--connections={self._args.connections}", f"--seconds={seconds}"]
        command += [f"--seed={number}", f"--tolerance={self._args.tolerance}", *self._cases]
        with pinned(cores):
            done = processes.run(command)
        if errors := done.stderr.decode().strip():
            say(errors)
        if done.returncode:
            raise UserError(f"the load ended with {done.returncode}")
        tree = self._server.tree
        return Interval(json.loads(done.stdout), tree.memory(), tree.files(), len(tree.pids()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=3, help="default: %(default)s")
    parser.add_argument("--connections", type=int, default=16, help="default: %(default)s")
    parser.add_argument(
        "--malformed",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="of requests that are malformed; default: %(default)s",
    )
    parser.add_argument(
        "--model",
        action="append",
        type=processes.user_path,
        metavar="DIR",
        help="a model that paddle_model made; may come again; default: this project's",
    )
    parser.add_argument("--server", default="", metavar="FLAGS", help="further flags of the server")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0,
        help="how far numbers may be off, where batching changes bits; default: not by a bit",
    )
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    folder = processes.cache_folder() / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    default = [Path(word).absolute() for word in os.environ["MODELS"].split()]
    models = [Model(path) for path in args.model or default]
    cores = sorted(os.sched_getaffinity(0))[:2]
    site = Site(folder, {"ours": tuple(args.server.split())})
    done: list[Interval] = []
    with site.serving("ours", models, {cores[0]}) as server:
        soak = Soak(server, models, args)
        say(f"{', '.join(model.name for model in models)}: {args.minutes:g} minutes")
        print(_HEAD, flush=True)
        start = time.monotonic()
        for number in range(_INTERVALS):
            done.append(soak.interval(number, args.minutes * 60 / _INTERVALS, {cores[-1]}))
            print(done[-1].line((time.monotonic() - start) / 60), flush=True)
    settled = done[_INTERVALS // 3].memory
    totals = {key: sum(part.told[key] for part in done) for key in ("answered", "lost", "wrong")}
    grown = max(part.memory for part in done[_INTERVALS // 3 :]) / settled
    print(
        f"\n{totals['answered']:,} answered, {totals['lost']} lost, {totals['wrong']} wrong; "
        f"memory {settled / 1e6:.0f} MB after a third, at most {grown:.2f} x that later"
        f"{', which is growth' if grown > _GROWTH else ''}"
    )
    return 1 if totals["lost"] or totals["wrong"] else 0


if __name__ == "__main__":
    processes.run_main(main)
