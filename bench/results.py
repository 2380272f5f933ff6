"""What was measured: rounds, medians, and the tables and goals made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.servers import ENGINE, IDEAL, IDEAL_BATCHING, TRITON, TRITON_BATCHING


@dataclass(frozen=True)
class Column:
    """A quantity: how a table and a plot name it; more is better, or less."""

    key: str
    title: str
    digits: int
    more_is_better: bool = False

    def text(self, value: float | None) -> str:
        return "" if value is None else f"{value:.{self.digits}f}"


COLUMNS = (
    Column("rate", "req/s", 0, more_is_better=True),
    Column("p50_ms", "p50 ms", 2),
    Column("p99_ms", "p99 ms", 2),
    Column("cpu_us", "CPU us/req", 1),
    Column("syscalls", "syscalls/req", 1),
    Column("seconds", "seconds", 3),
    Column("pages", "pages/s", 2, more_is_better=True),
    Column("cpu_ms", "CPU ms/page", 1),
    Column("wall_ms", "ms/page", 1),
    Column("rested_ms", "CPU ms of the first after a rest", 0),
    Column("first_seconds", "to the first page", 2),
    Column("memory_mb", "memory MB", 0),
    Column("peak_mb", "at most", 0),
    Column("slope_mb", "MB per 1,000 pages, later half", 1),
)


@dataclass
class Row:
    """The rounds of one server in one case: values by a column's key."""

    server: str
    rounds: list[dict[str, float]] = field(default_factory=list)

    def values(self, key: str) -> list[float]:
        return [values[key] for values in self.rounds if key in values]

    def median(self, key: str) -> float | None:
        values = self.values(key)
        return statistics.median(values) if values else None

    def errors(self) -> int:
        return int(sum(self.values("errors")))


@dataclass
class Result:
    """A case and its rows."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)

    def row(self, server: str) -> Row:
        for row in self.rows:
            if row.server == server:
                return row
        self.rows.append(Row(server))
        return self.rows[-1]

    def columns(self) -> list[Column]:
        return [c for c in COLUMNS if any(row.values(c.key) for row in self.rows)]

    def lines(self) -> list[str]:
        """A Markdown table: medians, and the least and most of the first column."""
        columns = self.columns()
        titles = ["server", columns[0].title, "least - most", *(c.title for c in columns[1:])]
        titles.append("errors")
        lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
        for row in self.rows:
            cells = [row.server]
            for column in columns:
                cells.append(column.text(row.median(column.key)))
                if column is columns[0]:
                    values = row.values(column.key)
                    both = (column.text(min(values)), column.text(max(values))) if values else ()
                    cells.append(" - ".join(both))
            lines.append(f"| {' | '.join([*cells, str(row.errors())])} |")
        return lines

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        for row, entry in zip(self.rows, told["rows"], strict=True):
            entry["median"] = {c.key: row.median(c.key) for c in self.columns()}
        return told


@dataclass(frozen=True)
class Goal:
    """What the best of our rows is to reach, beside the best of some peers' or by itself."""

    case: str
    title: str
    key: str
    limit: float
    ours: tuple[str, ...]
    peers: tuple[str, ...] = ()

    def line(self, results: Sequence[Result]) -> str | None:
        """A row of the table of goals; nothing where one side was not measured."""
        more = next(c.more_is_better for c in COLUMNS if c.key == self.key)
        best = max if more else min
        found = [result for result in results if result.name == self.case]
        sides = []
        for servers in filter(None, (self.ours, self.peers)):
            rows = [row for result in found for row in result.rows if row.server in servers]
            values = [v for row in rows if (v := row.median(self.key)) is not None]
            if not values:
                return None
            sides.append(best(values))
        value = sides[0] / sides[1] if self.peers else sides[0]
        met = value >= self.limit if more else value <= self.limit
        sign = ">=" if more else "<="
        beside = f" x {self.peers[0]}" if self.peers else ""
        said = "" if met else ", missed"
        return f"| {self.title} | {value:.2f}{beside} | {sign} {self.limit}{said} |"


_NO, _YES = ("ours",), ("ours, batching",)
_ANY = _NO + _YES
_TRITONS = (TRITON, TRITON_BATCHING)
GOALS = (
    *(
        Goal(f"binary-{n}", f"binary, batching, {n} connections", "rate", limit, _YES, (peer,))
        for n in (16, 64)
        for limit, peer in ((1.6, TRITON_BATCHING), (0.7, IDEAL_BATCHING))
    ),
    Goal("binary-16", "binary, no batching, 16 connections", "rate", 1.3, _NO, (TRITON,)),
    Goal("binary-16", "binary, no batching, 16 connections", "rate", 0.87, _NO, (IDEAL,)),
    Goal("json-16", "JSON, 16 connections", "rate", 3, _ANY, _TRITONS),
    Goal("grpc-64", "gRPC, 8 connections x 8 streams", "rate", 1.5, _ANY, _TRITONS),
    Goal("perf_analyzer-http", "perf_analyzer, HTTP", "rate", 1.5, _ANY, _TRITONS),
    Goal("perf_analyzer-grpc", "perf_analyzer, gRPC", "rate", 1.5, _ANY, _TRITONS),
    Goal("mobilenet-4", "MobileNetV2, 4 connections", "rate", 0.97, _ANY, (ENGINE,)),
    Goal("mobilenet-4", "MobileNetV2, 4 connections, p99", "p99_ms", 1, _ANY, _TRITONS),
    Goal("poisson-1700", "Poisson arrivals, 1,700/s, p99", "p99_ms", 1, _ANY, _TRITONS),
    Goal("poisson-4000", "Poisson arrivals, 4,000/s, p99", "p99_ms", 1, _ANY, _TRITONS),
    Goal("memory", "MB after a batch of 32 and a minute", "memory_mb", 400, _ANY),
    Goal("start", "seconds from start to ready", "seconds", 0.25, _ANY),
)


def goal_lines(results: Sequence[Result], goals: Sequence[Goal] = GOALS) -> list[str]:
    lines = [line for goal in goals if (line := goal.line(results))]
    return ["| goal | measured | wanted |", "| --- | --- | --- |", *lines] if lines else []
