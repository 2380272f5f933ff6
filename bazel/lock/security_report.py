"""What new security updates mean: for each image what changes, and which advisories it answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bazel.debian.archive import archive
from bazel.lock import advisories, debian_lock, security_lock
from bazel.lock.security_lock import Entry
from bazel.site.messages import Problem

# Loads the packages of the images and of their layers, and fetches no wheel for it.
_QUERY = 'let bills = kind("image_sbom rule", //images/...) in $bills + labels(layers, $bills)'
_HUB = "@debian//:"

# Image or set -> names of Debian packages and sets.
Members = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Change:
    """A package of the overlay that was another one, or not there."""

    name: str
    sets: frozenset[str]
    source: str
    versions: tuple[str, str]  # of the package; the first is empty where it was not there
    source_versions: tuple[str, str]


def images(workspace: Path) -> Members:
    """What the images of the workspace take of debian.yaml; Problem where Bazel cannot tell."""
    command = [str(workspace / "bazelw"), "query", "--noshow_progress"]
    command += ["--output=streamed_jsonproto", _QUERY]
    try:
        done = subprocess.run(command, cwd=workspace, capture_output=True, text=True)
    except OSError as error:
        raise Problem(str(error)) from error
    if done.returncode:
        raise Problem(done.stderr.strip().rpartition("\n")[2])
    return members(map(json.loads, done.stdout.splitlines()))


def members(targets: Iterable[Mapping[str, object]]) -> Members:
    """The same of the answer of `bazel query --output=streamed_jsonproto`."""
    bills: dict[str, list[str]] = {}
    packages: dict[str, set[str]] = {}
    for target in targets:
        rule = target.get("rule")
        if not isinstance(rule, dict):
            continue
        lists = {a["name"]: a.get("stringListValue", []) for a in rule["attribute"]}
        if rule["ruleClass"] == "image_sbom":
            image = rule["name"].rpartition(":")[2].removesuffix("_sbom")
            bills[image] = lists["layers"]
        hub = [label for label in lists.get("packages", []) if label.startswith(_HUB)]
        packages[rule["name"]] = {label.removeprefix(_HUB) for label in hub}
    return {
        image: frozenset(name for layer in layers for name in packages.get(layer, ()))
        for image, layers in bills.items()
    }


def changes(
    before: Iterable[Entry], after: Iterable[Entry], known: Iterable[archive.Package]
) -> list[Change]:
    """What is new in the overlay, by source and name; `known` tells the versions of sources."""
    had = {debian_lock.key_of(entry): entry["version"] for entry in before}
    sources = {(package.name, package.version): package.source[1] for package in known}
    sets: dict[tuple[str, str, str, str], set[str]] = {}
    for entry in after:
        old: str = had.get(debian_lock.key_of(entry)) or entry["replaces"]
        if old != entry["version"]:
            # What is the same for several machines is told once.
            same = sets.setdefault((entry["source"], entry["name"], old, entry["version"]), set())
            same.update(name.partition(":")[0] for name in entry["sets"])
    return [
        Change(
            *(name, frozenset(sets[source, name, old, new]), source, (old, new)),
            (sources.get((name, old), old), sources.get((name, new), new)),
        )
        for source, name, old, new in sorted(sets)
    ]


def lines(
    changed: Sequence[Change], inside: Members, answers: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """For people: images with the same changes together, and what each source's change answers."""
    groups: dict[tuple[Change, ...], list[str]] = {}
    for image, names in sorted(inside.items()):
        mine = tuple(change for change in changed if names & {change.name, *change.sets})
        groups.setdefault(mine, []).append(image)
    for mine, group in groups.items():
        yield f"{', '.join(group)}: {'' if mine else 'nothing changes'}".rstrip()
        for source in dict.fromkeys(change.source for change in mine):
            own = [change for change in mine if change.source == source]
            old, new = own[0].source_versions
            yield f"  {source} {old or '(new)'} -> {new} ({', '.join(c.name for c in own)})"
            if answers.get(source):
                yield f"    answers {', '.join(answers[source])}"


def answered(
    changed: Sequence[Change],
    release: str,
    known: Iterable[archive.Package],
    archives: Sequence[str],
    report: archive.Report,
) -> Mapping[str, Sequence[str]]:
    """Source -> the advisories that its update answers."""
    sources = {c.source: c.source_versions for c in changed if c.source_versions[0]}
    report(f"reading {advisories.TRACKER}")
    try:
        data = advisories.load(advisories.TRACKER)
    except Problem as problem:
        report(f"note: {problem}. What changelogs name is told in its place")
        new = {(c.name, c.versions[1]) for c in changed}
        packages = [p for p in known if (p.name, p.version) in new]
        return {
            source: advisories.in_changelogs(
                [p for p in packages if p.source[0] == source], archives, old
            )
            for source, (old, _) in sources.items()
        }
    return {
        source: advisories.answered(data, release, source, *versions)
        for source, versions in sources.items()
    }


def tell(
    before: str,
    after: str,
    known: Sequence[archive.Package],
    workspace: Path,
    archives: Sequence[str],
    report: archive.Report,
) -> Iterator[str]:
    """The lines for what a run has changed in the overlay; looks for images and advisories."""
    lock = security_lock.read(after)
    changed = changes(security_lock.read(before).get("packages", []), lock["packages"], known)
    if not changed:
        return
    report("asking Bazel which images these are in")
    try:
        inside = images(workspace)
    except Problem as problem:
        report(f"note: Bazel cannot tell ({problem}), so what follows is by set of debian.yaml")
        inside = {name: frozenset({name}) for change in changed for name in change.sets}
    release = lock["channel"].partition("-")[0]
    yield from lines(changed, inside, answered(changed, release, known, archives, report))
