"""Where the programs here write: what they found, and what their servers leave."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from bazel.image.base import processes


def add_out(add: Callable[..., argparse.Action], files: str) -> None:
    """Adds --out; `files` are those that come there."""
    add(
        "--out",
        type=processes.user_path,
        default=processes.user_path("."),
        metavar="FOLDER",
        help=f"for {files}; default: here",
    )


def emptied(name: str) -> Path:
    """A folder in the user's cache, empty."""
    folder = processes.cache_folder() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
