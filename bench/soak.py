"""Our servers under mixed requests for minutes: do they lose one, answer one wrongly, or grow?

    ./bazelw run //bench:soak [-- --minutes 3 --kill-seconds 10 --model DIR --server '--threads=2']

Two servers over one repository answer shapes and sizes of many kinds, over HTTP and gRPC, of all
models at once, and some malformed requests; meanwhile models are replaced, and one server after the
other is ended by SIGTERM and started anew. Every answer is compared with the one that came to the
same request before, alone. A wrong answer, a failed request or a server that does not end well is
an exit code of 1; `//bench:plateau` is one server whose memory alone is of interest.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bench import curves, folders
from bench.cluster import Beside, Repository, Service, service
from bench.curves import Curve
from bench.measure import pinned
from bench.oip import Model
from bench.soak_requests import Requests

_INTERVAL_SECONDS = 10.0  # of the table, and between two looks at memory
_SETTLED_REQUESTS = 50_000  # or a third of them, where that is less
# What bench/load says of answers, right ones and those of a worker that was killed.
_GOOD = ("200", "grpc 0")
_OF_KILLED = ("500", "503", "grpc 13", "grpc 14", "grpc 0, error_message")
_PATIENCE_SECONDS = 45.0  # for late answers; the server's --queue_timeout_ms is 30 s
_STREAMS = 4  # of a connection of gRPC
_GROWTH = 1.02  # of memory after that which is told as growth


@dataclass(frozen=True)
class Interval:
    """What a part of the time gave."""

    minutes: float  # at its end
    told: dict[str, Any]
    failed: int
    wrong: int
    killed: int  # requests that failed since their model's worker was killed
    memory: int
    files: int
    processes: int

    HEAD = (
        "minutes",
        "answered",
        "by status",
        "failed",
        "wrong",
        "of killed workers",
        "sent again",
        "p50 ms",
        "p99 ms",
        "memory MB",
        "files",
        "processes",
    )

    def cells(self) -> list[str]:
        statuses = ", ".join(f"{code}: {n:,}" for code, n in self.told["statuses"].items())
        cells = [f"{self.minutes:.2f}", f"{self.told['answered']:,}", statuses]
        cells += [str(self.failed), str(self.wrong), str(self.killed)]
        cells += [str(self.told["sent_again"])]
        cells += [f"{self.told[key]:.1f}" for key in ("p50_ms", "p99_ms")]
        return [*cells, f"{self.memory / 1e6:.0f}", str(self.files), str(self.processes)]


class Soak:
    """Servers, and requests with the answers that they must get."""

    def __init__(
        self, servers: Service, models: Sequence[Model], folder: Path, args: argparse.Namespace
    ) -> None:
        self._servers, self._args, self._folder = servers, args, folder / "requests"
        self._requests = Requests(self._folder, args.shapes, args.malformed)
        self._ends = 0  # of workers, as far as they are accounted for
        self._start = 0.0
        self.done: list[Interval] = []
        (first, *_) = servers.pods
        if "http" in args.protocols:
            self._requests.prepare_http(models, first.port)
        if "grpc" in args.protocols:
            self._requests.prepare_grpc(models, first.grpc_port)

    def interval(self, number: int, seconds: float, cores: set[int]) -> Interval:
        """Loads the servers for a while; new connections go to those that are ready."""
        self._start = self._start or time.monotonic()
        told = self._load(number, seconds, cores)
        killed_models = self._ended_workers()
        failed, wrong, killed = int(told["lost"]), 0, 0
        for path, statuses in told["unwanted"].items():
            name = self._requests.model_of.get(path)
            for status, count in statuses.items():
                if status in _OF_KILLED and name in killed_models:
                    killed += count
                elif status in _GOOD and name:
                    wrong += count
                elif status != "lost":  # which are told already
                    failed += count
        trees = [pod.tree for pod in self._servers.pods]
        self.done.append(
            Interval(
                (time.monotonic() - self._start) / 60,
                told,
                failed,
                wrong,
                killed,
                sum(tree.memory() for tree in trees),
                sum(tree.files() for tree in trees),
                sum(len(tree.pids()) for tree in trees),
            )
        )
        return self.done[-1]

    def _load(self, number: int, seconds: float, cores: set[int]) -> Any:
        ports = self._servers.ports()
        command = [os.environ["RUN"], os.environ["LOAD"], "--follow"]
        command += [f"--port={port}" for port in ports]
        grpc_connections = max(1, self._args.connections // _STREAMS)
        command += [f"--connections={self._args.connections}", f"--seconds={seconds}"]
        command += [f"--grpc-connections={grpc_connections}", f"--streams={_STREAMS}"]
        command += [f"--seed={number}", f"--tolerance={self._args.tolerance}"]
        command += [f"--patience={_PATIENCE_SECONDS}"]
        command += self._requests.cases
        pipe = subprocess.PIPE
        with (
            pinned(cores),
            (self._folder / "load.errors").open("w+") as errors,
            processes.running(command, stdin=pipe, stdout=pipe, stderr=errors) as load,
        ):
            assert load.stdin is not None and load.stdout is not None
            while load.poll() is None:
                if (now := self._servers.ports()) != ports:
                    ports = now
                    load.stdin.write(" ".join(ports).encode() + b"\n")
                    load.stdin.flush()
                time.sleep(0.02)
            text = load.stdout.read().decode()
            errors.seek(0)
            if said := errors.read().strip():
                say(said)
        if load.returncode:
            raise UserError(f"the load ended with {load.returncode}")
        return json.loads(text)

    def _ended_workers(self) -> set[str]:
        """Models of which a worker has ended by itself since the last call."""
        lines = self._servers.logged('"worker ended"')
        new, self._ends = lines[self._ends :], len(lines)
        return {json.loads(line)["model"] for line in new}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--minutes", type=float, default=3, help="default: %(default)s")
    add("--requests", type=int, default=0, help="goes on until so many are answered")
    add(
        "--protocols",
        type=lambda text: text.split(","),
        default="http,grpc",
        metavar="NAMES",
        help="default: %(default)s",
    )
    add(
        "--connections",
        type=int,
        default=16,
        help=f"of HTTP; of gRPC as many streams, {_STREAMS} on each; default: %(default)s",
    )
    add("--shapes", type=int, default=12, help="of each model's requests; default: %(default)s")
    add(
        "--malformed",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="of requests that are malformed; default: %(default)s",
    )
    add(
        "--reload-seconds",
        type=float,
        default=1,
        metavar="S",
        help="between two models that are replaced, 0: none is; default: %(default)s",
    )
    add(
        "--roll-seconds",
        type=float,
        default=15,
        metavar="S",
        help="between two servers that are ended, 0: one server, which stays; default: %(default)s",
    )
    add(
        "--drain-delay-ms",
        type=int,
        default=1000,
        metavar="MS",
        help="the servers' --drain_delay_ms; default: %(default)s",
    )
    add(
        "--kill-seconds",
        type=float,
        default=0,
        metavar="S",
        help="between two workers that are killed, which costs requests; default: none is",
    )
    add(
        "--model",
        action="append",
        type=processes.user_path,
        metavar="DIR",
        help="a model that paddle_model made; may come again; default: this project's",
    )
    add("--server", default="", metavar="FLAGS", help="further flags of the servers")
    add(
        "--tolerance",
        type=float,
        default=0,
        help="how far numbers may be off, where batching changes bits; default: not by a bit",
    )
    add("--name", default="soak", help="of its page and of its folder in the cache; %(default)s")
    folders.add_out(add, "NAME.html and NAME.svg, the curves")
    return parser.parse_args()


def _disturb(
    beside: Beside, servers: Service, repository: Repository, args: argparse.Namespace
) -> None:
    beside.every(0.1, servers.probe)
    if args.reload_seconds:
        # Models are independent: one that takes long holds up none.
        names = list(repository.versions)
        period = args.reload_seconds * len(names)
        for number, name in enumerate(names):
            reload = partial(servers.reload, repository, name)
            beside.every(period, reload, first=args.reload_seconds * number)
    if args.roll_seconds:
        beside.every(args.roll_seconds, servers.roll)
    if args.kill_seconds:
        beside.every(args.kill_seconds, servers.kill_a_worker)


def _growth(done: Sequence[Interval]) -> str:
    """What became of memory after it should have settled, by stretches of as many requests."""
    answered = list(itertools.accumulate(part.told["answered"] for part in done))
    length = min(_SETTLED_REQUESTS, max(1, answered[-1] // 3))
    stretches: dict[int, list[int]] = {}
    for part, count in zip(done, answered, strict=True):
        stretches.setdefault(count // length, []).append(part.memory)
    first, *later = (statistics.mean(looks) for number, looks in stretches.items() if number)
    looks = [
        part.memory / 1e6 for part, count in zip(done, answered, strict=True) if count > length
    ]
    grown = max(later, default=first) / first
    told = f", at most {grown:.3f} x in later ones{', which is growth' * (grown > _GROWTH)}"
    return (
        f"memory after the first {length:,} requests: {first / 1e6:.1f} MB on average of the next "
        f"{length:,}{told}; single looks {min(looks):.0f} to {max(looks):.0f} MB"
    )


def _summary(soak: Soak, servers: Service, repository: Repository) -> tuple[str, bool]:
    """In words, and whether all is well."""
    done = soak.done
    failed, wrong, killed = (
        sum(getattr(part, key) for part in done) for key in ("failed", "wrong", "killed")
    )
    answered = sum(part.told["answered"] for part in done)
    p50, p99 = (statistics.median(part.told[key] for part in done) for key in ("p50_ms", "p99_ms"))
    bad_ends = [code for code in servers.exit_codes if code]
    lines = [
        f"{answered:,} answered, {failed} failed, {wrong} wrong; of intervals the median p50 is "
        f"{p50:.1f} ms, the median p99 {p99:.1f} ms",
        f"{sum(repository.versions.values()) - len(repository.versions)} reloads; "
        f"{len(servers.exit_codes)} servers ended by SIGTERM, "
        f"{f'exit codes {bad_ends}' if bad_ends else 'all with exit code 0'}; "
        f"{len(servers.logged('worker ended'))} workers ended, which cost {killed} requests",
    ]
    if answered and servers.exit_codes == [0]:
        lines.append(_growth(done))
    return "\n".join(lines), not (failed or wrong or bad_ends)


def _write(soak: Soak, said: str, path: Path) -> None:
    """PATH.html and PATH.svg."""

    def curve(title: str, key: str) -> Curve:
        return Curve(title, [(part.minutes, part.told[key]) for part in soak.done])

    plots = [
        Curve("memory, MB", [(part.minutes, part.memory / 1e6) for part in soak.done]),
        curve("requests a second", "rate"),
        curve("p50, ms", "p50_ms"),
        curve("p99, ms", "p99_ms"),
    ]
    title = "Soak: our servers over time"
    rows = [list(Interval.HEAD), *(part.cells() for part in soak.done)]
    page = curves.render(title, said.splitlines(), plots, rows)
    path.with_suffix(".html").write_text(page)
    path.with_suffix(".svg").write_text(curves.draw(title, plots))
    say(f"{path}.html and .svg")


def main() -> int:
    args = _arguments()
    folder = folders.emptied(args.name)
    args.out.mkdir(parents=True, exist_ok=True)
    default = [Path(word).absolute() for word in os.environ["MODELS"].split()]
    models = [Model(path) for path in args.model or default]
    repository = Repository(folder, models)
    cores = sorted(os.sched_getaffinity(0))[:2]
    flags = [f"--model_repository={repository.root}", "--latest_versions=1"]
    flags += ["--poll_ms=100"] if args.reload_seconds else []
    # What waits for a worker that was killed may take more than the 4 s of the default.
    flags += [f"--drain_delay_ms={args.drain_delay_ms}", "--drain_timeout_ms=30000"]
    flags += args.server.split()
    count = 2 if args.roll_seconds else 1
    beside = Beside()
    with service(folder, {cores[0]}, *flags, count=count) as servers:
        soak = Soak(servers, models, folder, args)
        say(f"{', '.join(model.name for model in models)}: {args.minutes:g} minutes")
        print(f"| {' | '.join(Interval.HEAD)} |\n{'| --- ' * len(Interval.HEAD)}|", flush=True)
        try:
            _disturb(beside, servers, repository, args)
            for number in itertools.count():
                part = soak.interval(number, _INTERVAL_SECONDS, {cores[-1]})
                print(f"| {' | '.join(part.cells())} |", flush=True)
                beside.check()
                enough = sum(part.told["answered"] for part in soak.done) >= args.requests
                if part.minutes >= args.minutes and enough:
                    break
        except SystemExit:  # by a signal
            if not soak.done:
                raise
            say("ended early")
        finally:
            beside.stop()
        beside.check()
        servers.stop()
        said, well = _summary(soak, servers, repository)
    print(f"\n{said}")
    _write(soak, said, args.out / args.name)
    return 0 if well else 1


if __name__ == "__main__":
    processes.run_main(main)
