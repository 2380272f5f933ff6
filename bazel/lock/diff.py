"""What changed between two states of a lock, for people to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bazel.lock import launcher_lock, pypi_lock
from bazel.platforms.table import BASE

Entries = Mapping[str, Mapping[str, Any]]


def lines(file: str, old: str, new: str) -> list[str]:
    """One line a lock, and below it one for each name that differs."""
    if old == new:
        return [f"{file}: no change"]
    if file == launcher_lock.VERSION:
        return [f"{file}: {old.strip()} -> {new.strip()}"]
    before, after = _entries(file, old), _entries(file, new)
    added = [f"  + {name} {_new(after[name])}" for name in sorted(after.keys() - before.keys())]
    gone = [
        f"  - {name} {before[name]['version']}" for name in sorted(before.keys() - after.keys())
    ]
    changed = [
        f"  ~ {name} {_change(before[name], after[name])}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]
    counts = [
        f"{len(group)} {word}"
        for group, word in ((added, "added"), (gone, "removed"), (changed, "changed"))
        if group
    ]
    head = f"{file}: {', '.join(counts) or 'written anew, no entry changed'}"
    return [head, *added, *gone, *changed]


def _new(entry: Mapping[str, Any]) -> str:
    replaces = entry.get("replaces")  # of the security lock
    return f"{replaces} -> {entry['version']}" if replaces else str(entry["version"])


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if before["version"] != after["version"]:
        return f"{before['version']} -> {after['version']}"
    fields = [key for key in {**after, **before} if before.get(key) != after.get(key)]
    return f"{after['version']}: " + ", ".join(_field(key, before, after) for key in fields)


def _field(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = before.get(key), after.get(key)
    if new is None:  # a wheel for another machine
        return f"no {key} any more"
    if isinstance(new, list) and isinstance(old, list):
        moves = [f"+{item}" for item in new if item not in old]
        moves += [f"-{item}" for item in old if item not in new]
        return f"{key} {' '.join(moves)}"
    return f"{key} {old} -> {new}" if key == "file" else f"new {key}"


def _name(entry: Mapping[str, Any]) -> str:
    """What tells an entry from the others; Debian's are there for each machine."""
    arch = entry.get("arch", BASE)
    return str(entry["name"]) if arch in (BASE, "all") else f"{entry['name']}:{arch}"


def _entries(file: str, text: str) -> Entries:
    """Name -> fields; nothing for a lock that is not there yet or is damaged."""
    try:
        if file.endswith(pypi_lock.LOCK):
            return {
                name: {"version": pin.version, "hashes": pin.hashes}
                for name, pin in pypi_lock.parse_pins(text).items()
            }
        lock = json.loads(text)
        groups = [group for group in lock.values() if isinstance(group, list)]
        return {_name(entry): entry for group in groups for entry in group}
    except (pypi_lock.PyPIError, ValueError, KeyError, TypeError, AttributeError):
        return {}
