"""For tests: what programs leave behind."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Makes this process the parent of whatever its descendants leave behind."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def left() -> list[int]:
    """The children of this process, with those that have ended and that nobody waited for."""
    children = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return [int(pid) for text in children for pid in text.split()]


def still_running(seconds: float = 30) -> list[int]:
    """The children that do not end, though they have time to; waits for the others."""
    deadline = time.monotonic() + seconds
    while (pids := left()) and time.monotonic() < deadline:
        if not os.waitpid(-1, os.WNOHANG)[0]:
            time.sleep(0.01)
    return pids
