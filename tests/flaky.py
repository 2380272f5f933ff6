"""Runs tests many times on a machine that is kept busy, and lists those that failed now and then.

TARGETS are Bazel's, `//...` where none is given: half a day for all of them. For example:

  ./bazelw run //tests:flaky -- --runs 100 //bazel/image/... //tests:inference_test
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bazel.image.base import processes

# A process that takes whatever time of a processor it gets.
_BUSY = [sys.executable, "-I", "-S", "-c", "while True: pass"]


@dataclass
class Runs:
    """What became of one test."""

    label: str
    status: str
    count: int
    failed: list[Path]
    slowest: float

    def __str__(self) -> str:
        if self.status == "PASSED":
            return f"{self.count} of {self.count}"
        if not self.failed:  # it never ran
            return self.status.replace("_", " ").lower()
        return f"{self.count - len(self.failed)} of {self.count}"


def read(events: Iterable[str]) -> list[Runs]:
    """The summaries in Bazel's build event protocol, a JSON object a line; by label."""
    slowest: dict[str, float] = {}
    found = []
    for event in map(json.loads, events):
        if result := event.get("testResult"):
            label = event["id"]["testResult"]["label"]
            seconds = float(result.get("testAttemptDuration", "0s").rstrip("s"))
            slowest[label] = max(seconds, slowest.get(label, 0))
        elif summary := event.get("testSummary"):
            label = event["id"]["testSummary"]["label"]
            logs = [Path(unquote(urlsplit(log["uri"]).path)) for log in summary.get("failed", [])]
            count = summary.get("totalRunCount", 0)
            status = summary["overallStatus"]
            found.append(Runs(label, status, count, logs, slowest.get(label, 0)))
    return sorted(found, key=lambda runs: runs.label)


def table(tests: list[Runs]) -> str:
    """A line for each test that failed, with the logs; then how many did not."""
    bad = [runs for runs in tests if runs.status != "PASSED"]
    lines = []
    if bad:
        width = max(len(runs.label) for runs in bad)
        lines.append(f"{'test':{width}}  {'passed':12}  slowest")
        for runs in bad:
            lines.append(f"{runs.label:{width}}  {runs!s:12}  {runs.slowest:.1f} s")
            lines += [f"    {log}" for log in runs.failed[:3]]
    lines.append(f"{len(tests) - len(bad)} of {len(tests)} tests passed every time")
    return "\n".join(lines)


def main() -> int:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="flaky", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50, help="of each test (50)")
    parser.add_argument(
        "--load", type=int, default=cores, help=f"processes that keep processors busy ({cores})"
    )
    parser.add_argument("targets", nargs="*", default=["//..."], metavar="TARGET")
    arguments = parser.parse_args()
    if arguments.runs < 1 or arguments.load < 0:
        parser.error("--runs is at least 1, --load at least 0")
    workspace = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder, ExitStack() as stack:
        # First without load: it is for the tests, not for the compiler.
        build = ["./bazelw", "build", "--build_tests_only", "--", *arguments.targets]
        if code := subprocess.run(build, cwd=workspace, check=False).returncode:
            return code
        for _ in range(arguments.load):
            stack.callback(processes.stop, processes.start(_BUSY))
        told = Path(folder, "events")
        command = ["./bazelw", "test", "--keep_going", "--test_output=summary"]
        command += [f"--runs_per_test={arguments.runs}", f"--build_event_json_file={told}"]
        done = subprocess.run([*command, "--", *arguments.targets], cwd=workspace, check=False)
        tests = read(told.read_text(encoding="utf-8").splitlines()) if told.exists() else []
    if not tests:
        return done.returncode or 1
    print(table(tests))
    return int(done.returncode != 0)


if __name__ == "__main__":
    processes.run_main(main)
