"""debian_lock.json and the security suite -> security_lock.json: what is newer, for images.

The base lock is not touched by it. An entry is a package that `--config=patched` takes in place of
the one of the same name in the base lock (`replaces`), or besides, where an update needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bazel.debian.archive import archive, resolve
from bazel.lock import debian_lock, files
from bazel.lock.debian_lock import Spec

LOCK = "security_lock.json"

Entry = Mapping[str, Any]


def update(
    spec: Spec,
    debian_text: str,
    main: Sequence[archive.Package],
    updates: Sequence[archive.Package],
    old: str,
    today: str,
    report: archive.Report,
) -> str:
    """Resolves what is pending for the sets that images are made of; returns the lock's text.

    Args:
      spec: debian.yaml.
      debian_text: debian_lock.json.
      main: what the channels of the base have.
      updates: what the security suite has.
      old: the text that there was.
      today: the date that new contents get. The lock keeps its date as long as its entries stay.
      report: where to say what is done.
    """
    entries = _entries(spec, json.loads(debian_text)["packages"], main, updates, report)
    before = read(old)
    same = before.get("packages") == entries and "date" in before
    channel = spec.security.channel if spec.security else None
    head = {
        "debian_sha256": files.digest(debian_text),
        "date": before["date"] if same else today,
        "channel": " ".join((channel.suite, *channel.components)) if channel else "",
    }
    return files.to_text(head, "packages", entries)


def read(text: str) -> Mapping[str, Any]:
    """The lock; nothing where it is not there yet, or damaged."""
    try:
        lock = json.loads(text)
    except ValueError:
        return {}
    return lock if isinstance(lock, dict) else {}


def _entries(
    spec: Spec,
    locked: Iterable[Entry],
    main: Sequence[archive.Package],
    updates: Sequence[archive.Package],
    report: archive.Report,
) -> list[dict[str, object]]:
    if not spec.security:
        return []
    sets = {name: spec.sets[name] for name in spec.security.sets}
    base = {entry["name"]: entry for entry in locked}
    chosen, members = _resolve(sets, main, updates, report)
    found: list[dict[str, object]] = []
    for name, package in chosen.items():
        entry = base.get(name, {"version": "", "sets": []})
        if package.version == entry["version"] and set(members[name]) <= set(entry["sets"]):
            continue
        if entry["version"] not in ("", package.version) and package not in updates:
            raise archive.ArchiveError(
                f"{debian_lock.LOCK} has {name} {entry['version']}, and the mirror "
                f"{package.version}. Take that first: `./bazelw run //:lock -- debian`."
            )
        found.append(
            {
                **package.lock_entry(),
                "source": package.source[0],
                "replaces": entry["version"],
                "sets": members[name],
            }
        )
    return found


def _resolve(
    sets: Mapping[str, debian_lock.PackageSet],
    main: Sequence[archive.Package],
    updates: Sequence[archive.Package],
    report: archive.Report,
) -> tuple[dict[str, archive.Package], dict[str, list[str]]]:
    """The sets from both suites; of a source either all packages are updates, or none.

    One source's packages are built and tested with each other, and only what is
    between different ones is said in their dependencies.
    """
    while True:
        chosen, members = debian_lock.closures(resolve.Index([*main, *updates]), sets, report)
        versions: dict[str, set[str]] = {}
        for package in chosen.values():
            versions.setdefault(package.source[0], set()).add(package.source[1])
        split = {
            package.source[0]
            for package in updates
            if chosen.get(package.name) is package and len(versions[package.source[0]]) > 1
        }
        if not split:
            return chosen, members
        for source in sorted(split):
            names = [f"{p.name} {p.version}" for p in chosen.values() if p.source[0] == source]
            report(
                f"note: {source} is held back: the suites have its packages in different versions "
                f"({', '.join(names)})"
            )
        updates = [package for package in updates if package.source[0] not in split]
