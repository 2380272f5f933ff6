"""Our server and its peers, in turn on one core, with the generator of load on another.

    ./bazelw run //bench:serving [-- --only binary-16 --rounds 5 --seconds 3 --out FOLDER]

Answers are compared first. Rounds take turns, forth and back, and medians are told: as a table, as
serving.json and as serving.html, a page that needs nothing but itself. A machine that does anything
else meanwhile spoils it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bench import folders, generators, oip, page, servers
from bench.cases import CASES, Case
from bench.compare import ask, compare
from bench.generators import Load, Prepared
from bench.measure import pinned
from bench.oip import Model
from bench.results import GOALS, Result
from bench.servers import Server, Site

_WARM_SECONDS = 1.0
_STRACE_SECONDS = 2.0
_STARTS = 7


MEMORY, START = "memory", "start"
NAMES = (*(case.name for case in CASES), MEMORY, START)


class Bench:
    """The cases, on two cores of this machine."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._args = args
        flags, self.told = servers.ours(args.server)
        self._site = Site(folder, flags)
        self._ours = tuple(flags)
        self._folder = folder
        self.results: list[Result] = []
        cores = sorted(os.sched_getaffinity(0))[:2]
        if len(cores) < 2:
            raise UserError("this machine gives one core; the server and the load need one each")
        self._cores, self._generator = cores, {cores[1]}

    def _chosen(self, names: Sequence[str]) -> list[str]:
        wanted = self._args.against
        return [*self._ours, *(n for n in names if not wanted or n in wanted)]

    def run(self) -> None:
        wanted = self._args.only or NAMES
        for case in CASES:
            if case.name in wanted:
                self._measure(case)
        if MEMORY in wanted:
            self._measure_memory()
        if START in wanted:
            self._measure_start()

    def _measure(self, case: Case) -> None:
        say(f"{case.name}: {case.title}")
        result = Result(case.name, case.title)
        self.results.append(result)
        model = Model(Path(os.environ[case.model]).absolute())
        cores = set(self._cores[: case.cores])
        names = self._chosen(case.servers)
        with ExitStack() as stack:
            started: dict[str, Server] = {}
            for name in names:
                if name != servers.ENGINE:
                    say(f"  starting {name}")
                    serving = self._site.serving(
                        name, [model], cores, instances=case.cores, grpc=case.grpc
                    )
                    started[name] = stack.enter_context(serving)
            self.told += compare(case, model, started)
            prepared = generators.prepare(self._folder, model, case.binary)
            for server in started.values():
                self._load(case, server, prepared, _WARM_SECONDS)
            for number in range(self._args.rounds):
                for name in names if number % 2 == 0 else reversed(names):
                    if name == servers.ENGINE:
                        values = self._run_engine(model, cores, case.cores)
                    else:
                        values = self._round(case, started[name], prepared)
                    result.row(name).rounds.append(values)
                    told = ", ".join(f"{key} {value:g}" for key, value in values.items())
                    say(f"  round {number + 1}, {name}: {told}")
            if self._args.syscalls:
                for name, server in started.items():
                    calls = self._count_syscalls(case, server, prepared)
                    result.row(name).rounds[0]["syscalls"] = calls
        # Rows in the order of the table, whichever round was first.
        result.rows.sort(key=lambda row: names.index(row.server))

    def _round(self, case: Case, server: Server, prepared: Prepared) -> dict[str, float]:
        with server.tree.watched():
            before = server.tree.cpu_seconds()
            told = self._load(case, server, prepared, self._args.seconds)
            cpu = server.tree.cpu_seconds() - before
        return {
            "rate": told.rate,
            "p50_ms": told.p50_ms,
            "p99_ms": told.p99_ms,
            "cpu_us": cpu * 1e6 / max(told.requests, 1),
            "memory_mb": server.tree.peak_memory / 1e6,
            "errors": told.errors,
        }

    def _load(self, case: Case, server: Server, prepared: Prepared, seconds: float) -> Load:
        return generators.load(case, server, prepared, seconds, self._generator)

    def _run_engine(self, model: Model, cores: set[int], threads: int) -> dict[str, float]:
        command = [os.environ["RUN"], os.environ["ENGINE"], f"--model={model.folder}", "--rows=1"]
        command += [f"--threads={threads}", f"--seconds={self._args.seconds}"]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        with pinned(cores):
            done = processes.run(command, env=env)
        if done.returncode:
            raise UserError(f"{' '.join(command)} failed: {done.stderr.decode().strip()}")
        told = json.loads(done.stdout)
        return {
            "rate": told["rate"],
            "p50_ms": told["p50_us"] / 1e3,
            "p99_ms": told["p99_us"] / 1e3,
        }

    def _count_syscalls(self, case: Case, server: Server, prepared: Prepared) -> float:
        """System calls per request, of the whole tree; strace slows it, the counts hold."""
        summary = self._folder / "strace"
        pids = [word for pid in server.tree.pids() for word in ("-p", str(pid))]
        command = [os.environ["STRACE"], "-f", "-c", "-o", str(summary), *pids]
        with processes.running(command, stderr=subprocess.DEVNULL):
            time.sleep(0.5)  # it attaches to every thread
            told = self._load(case, server, prepared, _STRACE_SECONDS)
        total = re.search(r"^\s*100\.00\s+\S+\s+\S*\s+(\d+)", summary.read_text(), re.MULTILINE)
        return int(total[1]) / max(told.requests, 1) if total else 0.0

    def _measure_memory(self) -> None:
        """Each server alone: one MobileNetV2 batch of 32, and then nothing."""
        seconds = self._args.idle_seconds
        title = f"memory after one MobileNetV2 batch of 32 and {seconds:g} s idle"
        result = Result(MEMORY, title)
        self.results.append(result)
        say(f"{MEMORY}: {title}")
        model = Model(Path(os.environ["MOBILENET"]).absolute())
        wanted = oip.request(model.name, model.inputs(32, np.random.RandomState(0)), binary=True)
        for name in self._chosen((servers.TRITON, servers.FASTAPI)):
            with self._site.serving(name, [model], {self._cores[0]}) as server:
                ask(server, "32 rows", wanted)
                time.sleep(seconds)
                values = {"memory_mb": server.tree.memory() / 1e6}
            say(f"  {name}: {values['memory_mb']:.0f} MB")
            result.row(name).rounds.append(values)

    def _measure_start(self) -> None:
        result = Result(START, f"start to ready, digits, {_STARTS} starts")
        self.results.append(result)
        say(f"{START}: {result.title}")
        model = Model(Path(os.environ["DIGITS"]).absolute())
        names = self._chosen((servers.TRITON, servers.FASTAPI, servers.MLSERVER))
        for number in range(_STARTS):
            for name in names if number % 2 == 0 else reversed(names):
                with self._site.serving(name, [model], {self._cores[0]}) as server:
                    values = {
                        "seconds": server.ready_seconds,
                        "memory_mb": server.tree.memory() / 1e6,
                    }
                result.row(name).rounds.append(values)
            say(f"  round {number + 1} of {_STARTS}")
        result.rows.sort(key=lambda row: names.index(row.server))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, metavar="CASE", help=f"of {', '.join(NAMES)}"
    )
    peers = (*servers.PEERS, servers.ENGINE)
    parser.add_argument(
        "--against",
        nargs="+",
        choices=peers,
        metavar="PEER",
        help=f"of {', '.join(map(repr, peers))}",
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3, help="of a round; %(default)s")
    parser.add_argument(
        "--idle-seconds", type=float, default=60, help="before memory is read; %(default)s"
    )
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="'NAME: FLAGS'",
        help="a further row of our server with these flags; may come again",
    )
    parser.add_argument("--syscalls", action="store_true", help="also count them, by strace")
    folders.add_out(parser.add_argument, "serving.json and serving.html")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = folders.emptied("serving")
    bench = Bench(args, folder)
    try:
        bench.run()
    finally:  # minutes of work, whatever ended it
        page.tell(
            args.out,
            "serving",
            title="Serving: ours and its peers",
            how=f"Medians of {args.rounds} rounds of {args.seconds} s that took turns",
            notes=bench.told,
            results=bench.results,
            goals=GOALS,
        )
    failed = [row.server for result in bench.results for row in result.rows if row.errors()]
    if failed:
        say(f"requests failed: {', '.join(sorted(set(failed)))}")
    return 1 if failed else 0


if __name__ == "__main__":
    processes.run_main(main)
