"""debian_lock.json and the security suite -> security_lock.json: what is newer, for images.

The base lock is not touched by it. An entry is a package that `--config=patched` takes in place of
the one of the same name in the base lock (`replaces`), or besides, where an update needs it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from bazel.debian.archive import archive
from bazel.lock import debian_lock, files
from bazel.lock.debian_lock import Archive, Key, Spec, key, key_of

LOCK = "security_lock.json"

Entry = Mapping[str, Any]


def update(
    spec: Spec,
    debian_text: str,
    main: Archive,
    updates: Archive,
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
    main: Archive,
    updates: Archive,
    report: archive.Report,
) -> list[dict[str, object]]:
    if not spec.security:
        return []
    sets = {name: spec.sets[name] for name in spec.security.sets}
    base = {key_of(entry): entry for entry in locked}
    new = {package for there in updates.values() for package in there}
    chosen, members = _resolve(sets, main, updates, report)
    found: list[dict[str, object]] = []
    for named, package in chosen.items():
        entry = base.get(named, {"version": "", "sets": []})
        if package.version == entry["version"] and set(members[named]) <= set(entry["sets"]):
            continue
        if entry["version"] not in ("", package.version) and package not in new:
            raise archive.ArchiveError(
                f"{debian_lock.LOCK} has {package.name} {entry['version']}, and the mirror "
                f"{package.version}. Take that first: `./bazelw run //:lock -- debian`."
            )
        found.append(
            {
                **package.lock_entry(),
                "source": package.source[0],
                "replaces": entry["version"],
                "sets": members[named],
            }
        )
    return found


def _resolve(
    sets: Mapping[str, debian_lock.PackageSet],
    main: Archive,
    updates: Archive,
    report: archive.Report,
) -> tuple[dict[Key, archive.Package], dict[Key, list[str]]]:
    """The sets from both suites; of a source either all packages are updates, or none.

    One source's packages are built and tested with each other, and only what is
    between different ones is said in their dependencies. That holds over all machines
    together: what they share is of one version.
    """
    while True:
        chosen, members = debian_lock.closures(
            {arch: [*main[arch], *updates[arch]] for arch in main}, sets, report
        )
        versions: dict[str, set[str]] = {}
        for package in chosen.values():
            versions.setdefault(package.source[0], set()).add(package.source[1])
        split = {
            package.source[0]
            for package in itertools.chain.from_iterable(updates.values())
            if chosen.get(key(package)) == package and len(versions[package.source[0]]) > 1
        }
        if not split:
            return chosen, members
        for source in sorted(split):
            parts = [p for p in chosen.values() if p.source[0] == source]
            names = dict.fromkeys(f"{p.name} {p.version}" for p in parts)
            report(
                f"note: {source} is held back: the suites have its packages in different versions "
                f"({', '.join(names)})"
            )
        updates = {
            arch: [package for package in there if package.source[0] not in split]
            for arch, there in updates.items()
        }
