"""Our service of OCR and the libraries beside it, in turn: CPU, pages a second, memory, starts.

    ./bazelw run //bench:ocr [-- --only page throughput --against rapidocr_openvino --rounds 7]

What is read is compared first: the packages of RapidOCR 1.4 have the models that ours has here.
Rounds take turns, forth and back, and medians are told: as tables, as ocr.json and as ocr.html, a
page that needs nothing but itself. CPU is that of the whole tree of processes; pages a second want
two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bench import drawn, folders, page
from bench.readers import LIBRARY, OTHER_MODELS, OURS, PEERS, V5, Reader, reading, texts
from bench.results import Goal, Result

PAGE, KNOWN, THROUGHPUT, MEMORY, LARGE, START = (
    "page",
    "known",
    "throughput",
    "memory",
    "a4",
    "start",
)
NAMES = (PAGE, KNOWN, THROUGHPUT, MEMORY, LARGE, START)
_CONCURRENCY = 8
_SEED = 20261128
_SAMPLES = 100  # of memory, over all pages of its case
_BEST = tuple(name for name in OURS if name != V5)
_PADDLE, _OPENVINO = ("rapidocr_paddle",), ("rapidocr_openvino",)
_SAME, _SERVICE = ("ours, Paddle 3",), ("ours, Paddle 2",)  # by oneDNN as well
GOALS = (
    Goal(PAGE, "CPU of a page, of RapidOCR's on Paddle", "cpu_ms", 0.45, _BEST, _PADDLE),
    Goal(PAGE, "CPU of a page, of RapidOCR's on OpenVINO", "cpu_ms", 1, _BEST, _OPENVINO),
    Goal(PAGE, "CPU of a page by PP-OCRv5, of v4's", "cpu_ms", 1.5, (V5,), _SAME),
    Goal(MEMORY, "MB after pages of random sizes", "memory_mb", 600, _BEST),
    Goal(LARGE, "MB at most, of an A4 page at 300 dpi", "memory_mb", 1500, _BEST),
    Goal(THROUGHPUT, "pages/s of the service, of its library", "pages", 0.95, _SERVICE, (LIBRARY,)),
    Goal(START, "seconds from start to ready", "seconds", 1.5, _BEST),
)


class Bench:
    """The cases, on two cores of this machine."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._args, self._folder = args, folder
        self._fonts = Path(os.environ["FONTS"]).absolute()
        self._cores = sorted(os.sched_getaffinity(0))[:2]
        ours = args.ours or (*OURS, LIBRARY)
        self._names = [*ours, *(args.against or PEERS)]
        self.results: list[Result] = []
        self.told: list[str] = []
        archive = zipfile.ZipFile(os.environ["PAGES"])
        archive.extractall(folder / "known")
        self._known: list[dict[str, Any]] = json.loads(archive.read("pages.json"))

    def run(self) -> None:
        wanted = self._args.only or NAMES
        if PAGE in wanted or KNOWN in wanted:
            self._measure_cpu([case for case in (PAGE, KNOWN) if case in wanted])
        if THROUGHPUT in wanted:
            self._measure_throughput()
        if MEMORY in wanted:
            self._measure_memory()
        if LARGE in wanted:
            self._measure_large()
        if START in wanted:
            self._measure_start()

    def _result(self, name: str, title: str) -> Result:
        say(f"{name}: {title}")
        result = Result(name, title)
        self.results.append(result)
        return result

    def _drawn(self, name: str, image: Any) -> Path:
        path = self._folder / name
        path.write_bytes(drawn.png(image))
        return path

    def _known_pictures(self) -> list[Path]:
        return [self._folder / "known" / known["file"] for known in self._known]

    def _turns(self, number: int) -> Sequence[str]:
        return self._names if number % 2 == 0 else self._names[::-1]

    def _measure_cpu(self, cases: Sequence[str]) -> None:
        """All of them stay, on one core; one computes at a time."""
        one = [self._drawn("page.png", drawn.page(self._fonts))] * self._args.repeats
        loads = {PAGE: one, KNOWN: self._known_pictures()}
        titles = {
            PAGE: "a page of 960 x 640 pixels with ten lines, one core",
            KNOWN: f"the {len(self._known)} known pages, one core, CPU of a page on average",
        }
        with ExitStack() as stack:
            readers = {}
            for name in self._names:
                say(f"  starting {name}")
                context = reading(self._folder, name, {self._cores[0]})
                readers[name] = stack.enter_context(context)
            for case in cases:
                result = self._result(case, titles[case])
                self._compare(case, readers, list(dict.fromkeys(loads[case])))
                for number in range(self._args.rounds):
                    for name in self._turns(number):
                        # Others had their turns since its last page: it may have given memory back.
                        rested = _cpu(readers[name], loads[case][:1])["cpu_ms"]
                        values = _cpu(readers[name], loads[case]) | {"rested_ms": rested}
                        result.row(name).rounds.append(values)
                        told = ", ".join(f"{key} {value:.1f}" for key, value in values.items())
                        say(f"  round {number + 1}, {name}: {told}")
                result.rows.sort(key=lambda row: self._names.index(row.server))

    def _compare(self, case: str, readers: dict[str, Reader], pictures: Sequence[Path]) -> None:
        """What is read, beside RapidOCR on Paddle. It also warms everybody for these pictures."""
        found = {n: [texts(reader.read(p)) for p in pictures] for n, reader in readers.items()}
        wanted = [texts(known["answer"]) for known in self._known] if case == KNOWN else []
        wanted = wanted or found.get("rapidocr_paddle", [])
        if not wanted:
            self.told.append(f"{case}: what was read was not compared, without rapidocr_paddle.")
            return
        for name, read in found.items():
            if name not in (*OTHER_MODELS, V5):  # those are //bench:ocr_accuracy's matter
                self._tell_differences(f"{case}: {name}", read, wanted)

    def _tell_differences(
        self, name: str, found: Sequence[list[str]], wanted: Sequence[list[str]]
    ) -> None:
        equal = sum(a == b for a, b in zip(found, wanted, strict=True))
        told = f"{name} reads {equal} of {len(wanted)} pages as RapidOCR on Paddle does"
        lines = [
            (a, b)
            for one, other in zip(found, wanted, strict=True)
            if len(one) == len(other)
            for a, b in zip(one, other, strict=True)
            if a != b
        ]
        if lines:
            told += f"; {len(lines)} lines differ, as {lines[0][0]!r} for {lines[0][1]!r}"
        self.told.append(told + ".")
        say(f"  {self.told[-1]}")

    def _measure_throughput(self) -> None:
        """Ours has an instance a core. A library has a process a core; each takes the next page."""
        title = f"the known pages, {_CONCURRENCY} at a time on two cores; libraries: two processes"
        result = self._result(THROUGHPUT, title)
        pictures = self._known_pictures()
        with ExitStack() as stack:
            groups: dict[str, list[Reader]] = {}
            for name in self._names:
                sets = [set(self._cores)] if name in OURS else [{core} for core in self._cores]
                groups[name] = [
                    stack.enter_context(reading(self._folder, name, cores)) for cores in sets
                ]
                for reader in groups[name]:
                    for picture in pictures:
                        reader.read(picture)
            for number in range(self._args.rounds):
                for name in self._turns(number):
                    values = _throughput(groups[name], pictures)
                    result.row(name).rounds.append(values)
                    say(f"  round {number + 1}, {name}: {values['pages']:.2f} pages/s")
        result.rows.sort(key=lambda row: self._names.index(row.server))

    def _measure_memory(self) -> None:
        count = self._args.pages
        result = self._result(MEMORY, f"memory after {count} pages of random sizes, one core")
        for name in self._names:
            random = np.random.RandomState(_SEED)  # the same pages for each
            with reading(self._folder, name, {self._cores[0]}) as reader:
                samples: list[tuple[int, float]] = []
                for number in range(1, count + 1):
                    reader.read(self._drawn("random.png", drawn.random_page(self._fonts, random)))
                    if number % max(count // _SAMPLES, 1) == 0:
                        samples.append((number, reader.tree.memory() / 1e6))
            later = [(n, mb) for n, mb in samples if n > count / 2]
            slope = statistics.linear_regression(*zip(*later, strict=True)).slope
            values = {
                "memory_mb": samples[-1][1],
                "peak_mb": max(mb for _, mb in samples),
                "slope_mb": slope * 1000,
            }
            result.row(name).rounds.append(values)
            say(f"  {name}: {values}")

    def _measure_large(self) -> None:
        result = self._result(LARGE, "a page of A4 at 300 dpi, 2480 x 3508 pixels, once, one core")
        lines = [line * 2 for line in drawn.SENTENCES] * 4
        picture = self._drawn("a4.png", drawn.page(self._fonts, drawn.A4, lines, 44))
        for number in range(min(self._args.rounds, 3)):
            for name in self._turns(number):
                with reading(self._folder, name, {self._cores[0]}) as reader:
                    with reader.tree.watched():
                        values = _cpu(reader, [picture])
                    values["memory_mb"] = reader.tree.peak_memory / 1e6
                result.row(name).rounds.append(values)
                say(f"  {name}: {values}")
        result.rows.sort(key=lambda row: self._names.index(row.server))

    def _measure_start(self) -> None:
        result = self._result(START, "start to ready, and to the first page, one core")
        picture = self._drawn("page.png", drawn.page(self._fonts))
        for number in range(self._args.rounds):
            for name in self._turns(number):
                start = time.monotonic()
                with reading(self._folder, name, {self._cores[0]}) as reader:
                    reader.read(picture)
                    values = {
                        "seconds": reader.ready_seconds,
                        "first_seconds": time.monotonic() - start,
                    }
                result.row(name).rounds.append(values)
        result.rows.sort(key=lambda row: self._names.index(row.server))


def _cpu(reader: Reader, pictures: Sequence[Path]) -> dict[str, float]:
    before, start = reader.tree.cpu_seconds(), time.monotonic()
    for picture in pictures:
        reader.read(picture)
    cpu, seconds = reader.tree.cpu_seconds() - before, time.monotonic() - start
    return {"cpu_ms": cpu * 1e3 / len(pictures), "wall_ms": seconds * 1e3 / len(pictures)}


def _throughput(readers: Sequence[Reader], pictures: Sequence[Path]) -> dict[str, float]:
    free: queue.SimpleQueue[Reader] = queue.SimpleQueue()
    one_each = len(readers) > 1
    for reader in readers if one_each else list(readers) * _CONCURRENCY:
        free.put(reader)

    def read(picture: Path) -> None:
        reader = free.get()
        try:
            reader.read(picture)
        finally:
            free.put(reader)

    before = sum(reader.tree.cpu_seconds() for reader in readers)
    start = time.monotonic()
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        list(pool.map(read, pictures))
    seconds = time.monotonic() - start
    cpu = sum(reader.tree.cpu_seconds() for reader in readers) - before
    return {"pages": len(pictures) / seconds, "cpu_ms": cpu * 1e3 / len(pictures)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ocr", description=(__doc__ or "").split("\n")[0])
    for option, names in (("--only", NAMES), ("--ours", (*OURS, LIBRARY)), ("--against", PEERS)):
        parser.add_argument(
            option,
            nargs="+",
            choices=names,
            metavar="NAME",
            help=f"of {', '.join(map(repr, names))}; default: all",
        )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--repeats", type=int, default=5, help="of the page, in a round; default: %(default)s"
    )
    parser.add_argument(
        "--pages", type=int, default=2000, help="of random sizes; default: %(default)s"
    )
    folders.add_out(parser.add_argument, "ocr.json and ocr.html")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    folder = folders.emptied("ocr")
    if len(os.sched_getaffinity(0)) < 2:
        raise UserError("this machine gives one core; two are needed")
    bench = Bench(args, folder)
    try:
        bench.run()
    finally:  # minutes of work, whatever ended it
        page.tell(
            args.out,
            "ocr",
            title="OCR: ours and its peers",
            how=f"Medians of {args.rounds} rounds that took turns",
            notes=bench.told,
            results=bench.results,
            goals=GOALS,
        )
    return 0


if __name__ == "__main__":
    processes.run_main(main)
