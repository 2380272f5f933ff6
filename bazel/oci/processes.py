"""Starts programs that cannot outlive their starter, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Has the kernel send us a signal when our parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _dying(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return prepare


def start(command: Sequence[str | Path], **options: object) -> subprocess.Popen[bytes]:
    """Starts a program that the kernel kills when this one ends; for the time of a `with`: running.

    It gets a session of its own: a Ctrl-C reaches only us, who stop it in order.
    """
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [str(word) for word in command],
        start_new_session=True,
        preexec_fn=_dying(os.getpid()),
        **options,
    )


def stop(process: subprocess.Popen[bytes], seconds: float = 5) -> None:
    """Asks a program and those that it started to end, ends them if they do not, and reaps it."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also when a second signal hurries us
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):  # nobody reads what stdin still holds
                    pipe.close()


@contextmanager
def running(command: Sequence[str | Path], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program for the time of a `with`; however that ends, the program is stopped."""
    process = None
    # A signal in the midst of a start would lose what has been started.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        process = start(command, **options)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield process
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        finally:
            if process:
                stop(process)


def run(
    command: Sequence[str | Path], *, input: bytes | None = None, **options: object
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, and gives its code and what it said; reads nothing but `input`."""
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    pipes: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(command, **(pipes | {"stdin": stdin} | options)) as process:
        out, errors = process.communicate(input)
    return subprocess.CompletedProcess(process.args, process.returncode, out or b"", errors or b"")


def _exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def exit_on_signals() -> None:
    """Lets SIGTERM, SIGHUP and SIGINT unwind the program, so that it cleans up."""
    die_with_parent()
    for number in _ENDING:
        signal.signal(number, _exit)


def user_path(text: str | Path) -> Path:
    """A path as the user means it, who does not stand where `bazel run` starts programs."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", ""), text).absolute()
