"""Tests that what is started is ended and waited for on every way out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bazel.oci import leftovers, processes

HANGS = ["sleep", "1000"]
STUBBORN = "trap '' TERM; echo; exec sleep 1000"
HURRIES_US = "trap 'kill $PPID; wait' TERM; sleep 1000 & echo; wait"
STARTS_ANOTHER = "sleep 1000 & echo; wait"


@contextmanager
def ready(script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A shell that has come to its `echo`."""
    with processes.running(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def ends() -> None:
    with processes.running(["true"]) as process:
        process.wait()


def is_left() -> None:
    with processes.running(HANGS):
        pass


def raises() -> None:
    with processes.running(HANGS), processes.running(HANGS):
        raise KeyError


def does_not_start() -> None:
    with processes.running(HANGS), processes.running(["no such program"]):
        pass


def gets_a_signal() -> None:
    processes.exit_on_signals()
    with processes.running(HANGS):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1000)


def gets_a_signal_in_a_run() -> None:
    processes.exit_on_signals()
    processes.run(["sh", "-c", f"kill -HUP {os.getpid()}; exec sleep 1000"])


def gets_another_signal_on_the_way() -> None:
    processes.exit_on_signals()
    with ready(HURRIES_US):
        pass


def is_stubborn() -> None:
    with ready(STUBBORN) as process:
        processes.stop(process, seconds=0.1)


def starts_another() -> None:
    with ready(STARTS_ANOTHER):
        pass


def writes_to_nobody() -> None:
    with processes.running(["true"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"unread")


WAYS: dict[str, tuple[Callable[[], None], int]] = {
    way.__name__: (way, code)
    for way, code in (
        (ends, 0),
        (is_left, 0),
        (raises, 1),
        (does_not_start, 1),
        (gets_a_signal, 128 + signal.SIGTERM),
        (gets_a_signal_in_a_run, 128 + signal.SIGHUP),
        (gets_another_signal_on_the_way, 128 + signal.SIGTERM),
        (is_stubborn, 0),
        (starts_another, 0),
        (writes_to_nobody, 0),
    )
}


# What a shell has started is nobody's when that has ended: it ends too, and init waits for it.
NOT_WAITED_FOR = ("gets_another_signal_on_the_way", "starts_another")


class ProcessesTest(unittest.TestCase):
    def setUp(self) -> None:
        leftovers.adopt()

    def test_nothing_is_left_on_any_way_out(self) -> None:
        for name, (_, expected) in WAYS.items():
            with self.subTest(name):
                command = [sys.executable, "-W", "error", __file__, name]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, expected, done.stderr)
                self.assertNotIn("Warning", done.stderr)
                left = leftovers.left()
                self.assertEqual(leftovers.still_running(), [])
                self.assertEqual([] if name in NOT_WAITED_FOR else left, [])

    def test_a_starter_that_is_killed_takes_all_along(self) -> None:
        for program in (HANGS, ["sh", "-c", STUBBORN]):
            code = (
                "import os, signal; from bazel.oci.processes import start;"
                f"start({program!r}); os.kill(os.getpid(), signal.SIGKILL)"
            )
            done = subprocess.run([sys.executable, "-c", code], check=False)
            self.assertEqual(done.returncode, -signal.SIGKILL)
            self.assertEqual(leftovers.still_running(), [])

    def test_a_run_tells_what_was_said(self) -> None:
        done = processes.run(["sh", "-c", "cat; echo oops >&2; exit 3"], input=b"read")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, b"read", b"oops\n"))
        self.assertEqual(processes.run(["cat"]).stdout, b"")


if __name__ == "__main__":
    if way := sys.argv[1:]:
        WAYS[way[0]][0]()
    else:
        unittest.main()
