"""What the programs about images share: processes, what users are told, where their files are."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bazel.oci.processes import exit_on_signals, run, running, start, stop, user_path

__all__ = [
    "UserError",
    "cache_folder",
    "listen",
    "run",
    "run_main",
    "running",
    "say",
    "start",
    "stop",
    "user_path",
]


class UserError(Exception):
    """A mistake or a state of the machine that the user can mend; it says how."""


def say(text: str) -> None:
    """Tells the user something, apart from what the program's output is."""
    print(text, file=sys.stderr, flush=True)


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
