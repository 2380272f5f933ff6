"""Starts programs that cannot outlive their starter, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class UserError(Exception):
    """A mistake or a state of the machine that the user can mend; it says how."""


def say(text: str) -> None:
    """Tells the user something, apart from what the program's output is."""
    print(text, file=sys.stderr, flush=True)


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Has the kernel send us a signal when our parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _dying(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)

    return prepare


def start(command: Sequence[str | Path], **options: object) -> subprocess.Popen[bytes]:
    """Starts a program that the kernel kills when this one ends.

    It gets a session of its own: a Ctrl-C reaches only us, who stop it in order.
    """
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [str(word) for word in command],
        start_new_session=True,
        preexec_fn=_dying(os.getpid()),
        **options,
    )


def stop(process: subprocess.Popen[bytes], seconds: float = 5) -> None:
    """Asks a program and those that it started to end, and ends them if they do not."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def exit_on_signals() -> None:
    """Lets SIGTERM, SIGHUP and SIGINT unwind the program, so that it cleans up."""
    die_with_parent()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _exit)


def run_main(main: Callable[[], int]) -> NoReturn:
    """Runs a program: users' mistakes are one paragraph, never a traceback."""
    exit_on_signals()
    try:
        code = main()
    except (UserError, OSError) as error:  # an OSError says which file
        say(f"paddle_images: {error}")
        code = 1
    sys.stdout.flush()
    sys.exit(code)


def listen(port: int, option: str) -> socket.socket:
    """A socket on loopback; port 0 is any free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}. "
            f"Stop what listens there (`ss -ltnp 'sport = :{port}'` names it), "
            f"or take another port, as in `-- {option} {port + 1 if port < 65535 else 0}`."
        ) from error
    listener.listen(128)
    return listener


def user_path(text: str | Path) -> Path:
    """A path as the user means it, who does not stand where `bazel run` starts programs."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", ""), text).absolute()


def cache_folder() -> Path:
    """The folder of this project in the user's cache."""
    folder = os.environ.get("PADDLE_IMAGES_CACHE")
    if not folder:
        cache, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME")
        if not cache.startswith("/"):
            if not home:
                raise UserError(
                    "HOME is not set: set it, or PADDLE_IMAGES_CACHE, to a folder of yours"
                )
            cache = home + "/.cache"
        folder = cache + "/paddle_images"
    path = user_path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}. Set PADDLE_IMAGES_CACHE to a folder of yours."
        ) from error
    return path
