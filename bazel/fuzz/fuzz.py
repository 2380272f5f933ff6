"""Fuzzes, as long as it is told to, and keeps what it finds.

Each target has a folder in --out: `corpus` has the inputs that reached something new, `crashes`
those that failed (`crash-`, `oom-`, `timeout-`, `leak-`), `log` what libFuzzer said last. Beside
the corpus of the tree a run begins with that of the run before. For example:

  ./bazelw run //cc:fuzz -- --minutes 10 parser
  ./bazelw run //cc:fuzz -- --reproduce fuzz/.../parser_fuzz_test/crashes/crash-0a1b parser
  ./bazelw run //cc:fuzz -- --merge parser     # into the tree what reaches more than what is there
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bazel.platforms.table import AMD64

_FRAME = re.compile(rf"\(\S*/{re.escape(AMD64['loader'])}\+(0x[0-9a-f]+)\)")
_STATUS = re.compile(r"^#(\d+)\t.*cov: (\d+) ft: (\d+) corp: (\d+)/\S+.* exec/s: (\d+)")


@dataclass
class Target:
    """A fuzz test, as defs.bzl lists it."""

    label: str
    program: Path
    options: list[str]
    corpus: list[Path]
    out: Path

    @property
    def name(self) -> str:
        return self.label.removeprefix("//").replace(":", "/")

    @property
    def crashes(self) -> Path:
        return self.out / "crashes"

    def command(self, *options: str | Path) -> list[str]:
        return [os.environ["RUN"], str(self.program), *self.options, *map(str, options)]

    def seeds(self, folder: Path) -> Path:
        """The corpus of the tree as a folder."""
        folder.mkdir()
        for path in self.corpus:
            (folder / path.name).symlink_to(path.resolve())
        return folder


def read(listing: Path, out: Path) -> list[Target]:
    targets = []
    for test in json.loads(listing.read_text(encoding="utf-8")):
        label = test["label"]
        targets.append(
            Target(
                label,
                Path(test["program"]).absolute(),
                test["options"],
                [Path(path).absolute() for path in test["corpus"]],
                out / label.removeprefix("//").replace(":", "/"),
            )
        )
    return targets


def symbolized(text: str, program: Path) -> str:
    """A report of a sanitizer with functions and lines. It takes the program, which the lock's
    ld.so has started, for ld.so."""
    offsets = [match[1] for match in _FRAME.finditer(text)]
    root = Path(os.environ["CC_ROOT"]).absolute()
    triple = AMD64["triple"]
    done = processes.run(
        [
            root / "lib" / triple / AMD64["loader"],
            "--library-path",
            f"{root}/lib/{triple}:{root}/usr/lib/{triple}",
            root / f"usr/bin/{triple}-addr2line",
            "-Cfp",
            f"--exe={program}",
            *offsets,
        ]
    )
    told = done.stdout.decode(errors="replace").splitlines()
    if len(told) != len(offsets):
        return text
    lines = iter(told)
    return _FRAME.sub(lambda _: f"in {next(lines)}", text)


def found(target: Target) -> list[Path]:
    return sorted(path for path in target.crashes.iterdir() if path.is_file())


class Runs:
    """The processes of all threads, which end together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.over = False
        self._processes: list[subprocess.Popen[bytes]] = []

    def add(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.append(process)
            if self.over:
                process.terminate()

    def stop(self) -> None:
        with self._lock:
            self.over = True
            for process in self._processes:
                processes.stop(process)


def fuzz(target: Target, seconds: int, every: Runs) -> bool:
    """Runs it for so long, over what fails too; whether nothing failed."""
    corpus = target.out / "corpus"
    for folder in (corpus, target.crashes):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(found(target))
    end = time.monotonic() + seconds
    runs = 0
    line = "no input was tried"
    with (
        tempfile.TemporaryDirectory(prefix="paddle_images-") as scratch,
        (target.out / "log").open("w", encoding="utf-8", errors="replace") as log,
    ):
        seeds = target.seeds(Path(scratch, "seeds"))
        while (left := round(end - time.monotonic())) > 0:
            command = target.command(
                f"-max_total_time={left}", f"-artifact_prefix={target.crashes}/", corpus, seeds
            )
            said = time.monotonic()
            here = 0
            with processes.running(command, stderr=subprocess.PIPE) as process:
                every.add(process)
                assert process.stderr
                for told in process.stderr:
                    text = told.decode(errors="replace")
                    log.write(text)
                    if not (status := _STATUS.match(text)):
                        continue
                    here = int(status[1])
                    line = f"{runs + here:,} inputs, {status[2]} edges, "
                    line += f"{status[4]} kept, {status[5]}/s"
                    if time.monotonic() - said > 30:
                        said = time.monotonic()
                        print(f"{target.label}: {line}", flush=True)
                process.wait()
            runs += here
            if process.returncode == 0:
                break
            if len(found(target)) == len(before) or len(found(target)) >= len(before) + 10:
                break  # it does not start, or there is enough to look at
    new = [path for path in found(target) if path not in before]
    good = not new and (every.over or process.returncode == 0)
    print(f"{target.label}: {'done' if good else 'FAILED'}, {line}")
    for path in new:
        command_line = [
            "./bazelw",
            "run",
            "//cc:fuzz",
            "--",
            "--reproduce",
            str(path),
            target.label,
        ]
        print(f"  {shlex.join(command_line)}")
    if not good and not new:
        print(f"  see {target.out / 'log'}")
    sys.stdout.flush()
    return good


def merge(target: Target, workspace: Path) -> None:
    """Puts into the tree the smallest inputs that reach what its corpus does not."""
    if not target.corpus:
        raise UserError(f"{target.label} has no corpus in the tree to add to")
    folder = workspace / Path(os.path.relpath(target.corpus[0].parent, Path.cwd()))
    before = set(folder.iterdir())
    command = target.command("-merge=1", folder, target.out / "corpus")
    if code := processes.run(command, stdout=None, stderr=None).returncode:
        raise UserError(f"{target.label}: libFuzzer ended with {code}; its last lines say why")
    print(f"{target.label}: {len(set(folder.iterdir()) - before)} inputs added to {folder}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("listing", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=2, help="for each target (2)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time (1)")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="where finds go (fuzz/)")
    parser.add_argument("--reproduce", type=Path, metavar="INPUT", help="runs one input")
    parser.add_argument("--merge", action="store_true", help="adds to the corpus of the tree")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="parts of names; all")
    arguments = parser.parse_intermixed_args()  # as the listing stands first, and targets last
    out = processes.user_path(arguments.out)
    targets = [
        target
        for target in read(arguments.listing, out)
        if not arguments.targets or any(part in target.label for part in arguments.targets)
    ]
    if not targets:
        parser.error(f"no target's name has {' or '.join(arguments.targets)} in it")
    if arguments.reproduce:
        if len(targets) > 1:
            parser.error("--reproduce wants one TARGET: " + ", ".join(t.label for t in targets))
        command = targets[0].command(processes.user_path(arguments.reproduce))
        done = processes.run(command, stdout=None)
        said = done.stderr.decode(errors="replace")
        print(symbolized(said, targets[0].program), file=sys.stderr)
        return done.returncode
    if arguments.merge:
        for target in targets:
            merge(target, Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]))
        return 0
    seconds = round(arguments.minutes * 60)
    print(f"{len(targets)} targets, {arguments.minutes:g} minutes each, into {out}", flush=True)
    every = Runs()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        try:
            good = list(pool.map(lambda target: fuzz(target, seconds, every), targets))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            every.stop()
            raise
    return 0 if all(good) else 1


if __name__ == "__main__":
    processes.run_main(main)
