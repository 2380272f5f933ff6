"""The files of locks: one entry a line, and after a run all of them are new, or none."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def digest(text: str) -> str:
    """What a lock says of the spec or the lock that it was made of."""
    return hashlib.sha256(text.encode()).hexdigest()


def to_text(head: Mapping[str, object], key: str, entries: Sequence[Mapping[str, object]]) -> str:
    """A lock as JSON with one entry a line, so that a diff of it can be read."""
    lines = ["{", '"version": 1,']
    lines += [f"{json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    lines += [f"{json.dumps(key)}: [", ",\n".join(map(json.dumps, entries)), "]", "}", ""]
    return "\n".join(lines)


def read(path: Path) -> str:
    """The text of a file; empty for a lock that is not there yet."""
    return path.read_text("utf-8") if path.exists() else ""


def write(texts: Mapping[Path, str]) -> None:
    """Replaces the files that differ: each at once, and all written before the first."""
    written: list[tuple[str, Path]] = []
    try:
        for path, text in texts.items():
            if text != read(path):
                descriptor, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
                written.append((new, path))
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(new).chmod(path.stat().st_mode if path.exists() else 0o644)
        while written:
            Path(written[0][0]).replace(written[0][1])
            written.pop(0)
    finally:
        for new, _ in written:
            Path(new).unlink(missing_ok=True)
