"""What a model's neighbour does to it: p99 alone, while the other is loaded, and while it crashes.

    ./bazelw run //bench:isolation [-- --rounds 5 --seconds 10 --megabytes 100]

simple_cnn is asked at a fixed rate of Poisson arrivals that keeps the server's core busy to some 40
per cent. Beside it is a model of 100 MB of parameters, made for this, which rests, or is replaced
over and over, or is killed each second. The server and all workers share one core, the load has
another one; phases take turns, forth and back. A failed request of simple_cnn is an exit code of 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bench import folders, oip
from bench.cluster import Beside, Repository, Service, service
from bench.measure import pinned
from bench.oip import Model

_GOAL = 2.0  # of p99, beside that alone
_BUSY = 0.4
_CONNECTIONS = 64
_CALIBRATION_SECONDS = 3.0
_CALIBRATION_RATES = 3
_FIRST_RATE = 500.0


@dataclass(frozen=True)
class Phase:
    """What one of them gave in one round."""

    p50: float  # milliseconds
    p99: float
    busy: float  # of the server's core
    rate: float  # answers a second
    answered: int
    failed: int
    events: int  # loads, or ends of the worker


class Isolation:
    """A server with both models, and the load of the first one."""

    def __init__(
        self, servers: Service, repository: Repository, asked: Model, other: Model, cores: set[int]
    ) -> None:
        self._servers, self._repository, self._cores = servers, repository, cores
        (self._pod,) = servers.pods
        (self._own,) = self._pod.server.workers  # that of the model that is asked
        self._other = other.name
        repository.put(other)
        servers.wait_for(other.name, 1)
        request = oip.request(asked.name, asked.inputs(1, np.random.RandomState(0)), binary=True)
        answer = oip.ask(self._pod.port, request.raw)
        if answer.status != 200:
            raise UserError(f"{asked.name}: {answer.status}: {answer.body[:500]!r}")
        path = repository.root.parent / "request"
        path.write_bytes(request.raw)
        path.with_suffix(".answer").write_bytes(answer.body)
        self._case = f"--case=1:200:{path}:{path.with_suffix('.answer')}"
        self.rate = _FIRST_RATE

    def calibrate(self) -> None:
        """Finds the rate at which the server has that share of its core; batches grow with it."""
        for _ in range(_CALIBRATION_RATES):
            phase = self._load(_CALIBRATION_SECONDS)
            # Not of the rate that was wanted: a machine that is busy may answer fewer.
            self.rate = round(phase.rate * _BUSY / phase.busy)

    def _load(self, seconds: float) -> Phase:
        command = [os.environ["RUN"], os.environ["LOAD"], f"--port={self._pod.port}"]
        command += [f"--connections={_CONNECTIONS}", f"--rate={self.rate}", self._case]
        before = self._pod.tree.cpu_seconds()
        with pinned(self._cores):
            done = processes.run([*command, f"--seconds={seconds}"])
        if said := done.stderr.decode().strip():
            say(said)
        if done.returncode:
            raise UserError(f"the load ended with {done.returncode}")
        told = json.loads(done.stdout)
        busy = (self._pod.tree.cpu_seconds() - before) / told["seconds"]
        failed = told["lost"] + told["wrong"]
        return Phase(
            told["p50_ms"], told["p99_ms"], busy, told["rate"], told["answered"], failed, 0
        )

    def _kill(self) -> None:
        for pid in self._pod.server.workers:
            if pid != self._own:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def measure(self, name: str, seconds: float) -> Phase:
        # A new version has no crashes behind it, after which the server would wait.
        reload = partial(self._servers.reload, self._repository, self._other)
        reload()
        work: dict[str, tuple[float, Callable[[], None], str]] = {
            "loads": (0.0, reload, '"model loaded"'),
            "crashes": (1.0, self._kill, '"worker ended"'),
        }
        if name not in work:
            return self._load(seconds)
        period, disturb, line = work[name]
        before = len(self._servers.logged(line))
        beside = Beside()
        try:
            beside.every(period, disturb)
            phase = self._load(seconds)
        finally:
            beside.stop()
        beside.check()
        events = len(self._servers.logged(line)) - before
        if not events:
            raise UserError(f"the other model was to be disturbed ({name}), and was not")
        return replace(phase, events=events)


PHASES = {
    "alone": "it rests",
    "loads": "it is replaced over and over",
    "crashes": "its worker is killed each second",
}


def lines(rounds: dict[str, list[Phase]]) -> list[str]:
    """A table of medians, and what became of the goal."""

    def median(name: str, key: str) -> float:
        return float(statistics.median(getattr(phase, key) for phase in rounds[name]))

    head = ["the other model", "p50 ms", "p99 ms", "least - most", "p99 beside alone"]
    head += ["core busy", "answered", "failed", "loads or crashes"]
    table = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, title in PHASES.items():
        p99s = [phase.p99 for phase in rounds[name]]
        ratio = median(name, "p99") / median("alone", "p99")
        missed = ", missed" if ratio > _GOAL else ""
        cells = [title, f"{median(name, 'p50'):.2f}", f"{median(name, 'p99'):.2f}"]
        cells += [f"{min(p99s):.2f} - {max(p99s):.2f}", f"{ratio:.2f} (goal: {_GOAL:g}{missed})"]
        cells += [f"{median(name, 'busy'):.0%}"]
        cells += [
            f"{sum(getattr(p, key) for p in rounds[name]):,}" for key in ("answered", "failed")
        ]
        table.append(f"| {' | '.join([*cells, str(sum(p.events for p in rounds[name]))])} |")
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="isolation", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--seconds", type=float, default=10, help="of a phase; default: %(default)s")
    add("--megabytes", type=int, default=100, help="of the other model; default: %(default)s")
    add("--rate", type=float, default=0, help="per second; default: that of 40 %% of a core")
    add("--server", default="", metavar="FLAGS", help="further flags of the server")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    folder = folders.emptied("isolation")
    made = folder / "made"
    say(f"making a model of {args.megabytes} MB")
    command = [str(Path(os.environ["MADE_MODEL"]).absolute()), str(made), str(args.megabytes)]
    # A program in Python, which finds what it needs among our own runfiles.
    env = os.environ | {"RUNFILES_DIR": str(Path.cwd().parent)}
    done = processes.run(command, env=env)
    if done.returncode:
        raise UserError(f"no model was made: {done.stderr.decode().strip()}")
    asked, other = Model(Path(os.environ["SIMPLE_CNN"]).absolute()), Model(made)
    repository = Repository(folder, [asked])
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise UserError("this machine gives one core; the server and the load need one each")
    flags = [f"--model_repository={repository.root}", "--latest_versions=1", "--poll_ms=20"]
    rounds: dict[str, list[Phase]] = {name: [] for name in PHASES}
    with service(folder, {cores[0]}, *flags, *args.server.split()) as servers:
        isolation = Isolation(servers, repository, asked, other, {cores[1]})
        if args.rate:
            isolation.rate = args.rate
        else:
            isolation.calibrate()
        print(f"{asked.name} at {isolation.rate:g} requests a second\n")
        for number in range(args.rounds):
            for name in PHASES if number % 2 == 0 else reversed(PHASES):
                phase = isolation.measure(name, args.seconds)
                rounds[name].append(phase)
                say(f"  round {number + 1}, {name}: {phase}")
    print("\n".join(lines(rounds)))
    return 1 if any(phase.failed for phases in rounds.values() for phase in phases) else 0


if __name__ == "__main__":
    processes.run_main(main)
