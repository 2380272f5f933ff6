"""Notices when a folder that was made whole is whole no longer.

Cleaners of caches, full disks and crashes take or cut single files. What is left
must not be started: an empty program does nothing and reports success.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bazel.site.messages import Say

_RECORD = "contents.json"


def record(folder: Path) -> None:
    """Notes what each file in `folder` is like; the last step of making it."""
    found = {
        str(path.relative_to(folder)): _state(path)
        for path in folder.rglob("*")
        if not stat.S_ISDIR(path.lstat().st_mode)
    }
    (folder / _RECORD).write_text(json.dumps(found), encoding="utf-8")


def _state(path: str | Path) -> list[int]:
    # No times and no other modes: copying a cache elsewhere and back may change them.
    status = Path(path).lstat()
    return [status.st_size, status.st_mode & stat.S_IXUSR]


def damaged(folder: Path) -> str:
    """A file of `folder` that is not as it was recorded; "" for none.

    New files are no damage. Takes 10 ms for the 2,000 files of Bazel.
    """
    name = _RECORD
    try:
        recorded: dict[str, list[int]] = json.loads((folder / _RECORD).read_bytes())
        for name, state in recorded.items():
            if _state(f"{folder}/{name}") != state:
                return name
    except (AttributeError, OSError, ValueError):
        return name
    return ""


def put_away(folder: Path, trash: Path, say: Say) -> None:
    """Removes a folder that is damaged, if it is there at all: at once, by its name."""
    if folder.is_dir():
        say(f"{folder / damaged(folder)} is missing or damaged; making {folder.name} again", False)
        shutil.rmtree(trash, ignore_errors=True)  # of a start that was killed here
        folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


@contextmanager
def exclusive(cache: Path, say: Say) -> Iterator[None]:
    """Holds the cache's lock; the kernel frees it when its holder dies."""
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is preparing Bazel; waiting for it", False)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
