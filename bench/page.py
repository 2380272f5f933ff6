"""The results as one HTML page: the tables, and plots drawn as SVG in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from bazel.image.base.processes import say
from bench.measure import machine
from bench.results import COLUMNS, Column, Goal, Result, goal_lines

_PLOTTED = ("rate", "pages", "p99_ms", "cpu_us", "cpu_ms", "memory_mb", "seconds")


@dataclass(frozen=True)
class Bar:
    """A row's median, and its least and most, as shares of the longest bar."""

    label: str
    text: str
    kind: str  # ours, peer, or limit: what no server can beat
    value: float
    least: float
    most: float


@dataclass(frozen=True)
class Plot:
    title: str
    bars: list[Bar]


def _kind(server: str) -> str:
    if server.startswith("ours"):
        return "ours"
    return "limit" if server.startswith(("ideal", "engine")) else "peer"


def _plot(result: Result, column: Column) -> Plot | None:
    rows = [(row, row.values(column.key)) for row in result.rows]
    longest = max((max(values) for _, values in rows if values), default=0)
    if not longest:
        return None
    bars = [
        Bar(
            row.server,
            column.text(row.median(column.key)),
            _kind(row.server),
            (row.median(column.key) or 0) / longest,
            min(values) / longest,
            max(values) / longest,
        )
        for row, values in rows
        if values
    ]
    better = "more is better" if column.more_is_better else "less is better"
    return Plot(f"{column.title} ({better})", bars)


def cells(lines: Sequence[str]) -> list[list[str]]:
    """The cells of a Markdown table, its head first."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return [row for index, row in enumerate(rows) if index != 1]


def environment() -> jinja2.Environment:
    """Of the templates beside this file."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write(out: Path, name: str, told: Mapping[str, Any], html: str) -> None:
    """What was measured, for programs and for people."""
    (out / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    (out / f"{name}.html").write_text(html)
    say(f"{out}/{name}.html and {name}.json")


def tell(
    out: Path,
    name: str,
    *,
    title: str,
    how: str,
    notes: Sequence[str],
    results: Sequence[Result],
    goals: Sequence[Goal],
) -> None:
    """Prints and writes what was measured, of cases in which each row had a round."""
    whole = [r for r in results if r.rows and all(row.rounds for row in r.rows)]
    lines = goal_lines(whole, goals)
    told = {
        "title": title,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "how": how,
        "notes": list(notes),
        "results": [result.as_json() for result in whole],
        "goals": lines,
    }
    for result in whole:
        print("\n".join([f"\n{result.title}\n", *result.lines()]))
    print("\n".join(["", *lines]))
    for note in notes:
        print(f"\n{note}")
    write(out, name, told, render(told, whole))


def render(told: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The page, of what serving.json or ocr.json says and of the results in it."""
    plotted = [column for key in _PLOTTED for column in COLUMNS if column.key == key]
    cases = [
        {
            "name": result.name,
            "title": result.title,
            "table": cells(result.lines()),
            "plots": [plot for column in plotted if (plot := _plot(result, column))],
        }
        for result in results
    ]
    template = environment().get_template("serving.html.jinja")
    return str(template.render(told=told, cases=cases, goals=cells(told["goals"])))
