"""What a running server costs: processor time, memory and files of it and of what it started."""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.5


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command, which may hold spaces: state first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


class Tree:
    """A process and its descendants."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.peak_memory = 0

    def pids(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
        found = [self.root]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> float:
        """User and system time so far; also that of children that have ended and were reaped."""
        ticks = 0
        for pid in self.pids():
            with suppress(OSError):
                ticks += sum(map(int, _stat(pid)[11:15]))
        return ticks / _TICKS

    def memory(self) -> int:
        """Bytes resident: Pss of anonymous and shared memory, and the most that one maps of files.

        Other servers map the same files of Paddle, so their Pss would depend on who else runs.
        """
        own, files = 0, 0
        for pid in self.pids():
            # One that is ending has no memory any more.
            with suppress(OSError, IndexError, KeyError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
                kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
                own += kib["Pss_Anon"] + kib["Pss_Shmem"]
                status = Path(f"/proc/{pid}/status").read_text()
                files = max(files, int(status.partition("RssFile:")[2].split()[0]))
        return (own + files) * 1024

    def files(self) -> int:
        """Open file descriptors."""
        count = 0
        for pid in self.pids():
            with suppress(OSError):
                count += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return count

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes the most memory in the time of a `with`, twice a second."""
        done = threading.Event()

        def watch() -> None:
            while True:
                self.peak_memory = max(self.peak_memory, self.memory())
                if done.wait(_SAMPLE_SECONDS):
                    return

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Has what is started in the time of a `with` run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, Any]:
    """What the figures are of."""
    text = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return {
        "processor": found[1] if found else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
    }
