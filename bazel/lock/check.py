"""Whether locks agree with their specs and with each other; needs no network.

Each lock holds the digest of what it was made from. Beyond that every lock is
read as those who use it read it: names and hashes well formed, nothing missing,
nothing that ties it to a site.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bazel.debian.archive import version
from bazel.launcher import forky
from bazel.lock import debian_lock, files, launcher_lock, npm_lock, pypi_lock, security_lock

_VERSION, _LAUNCHER = launcher_lock.VERSION, launcher_lock.LOCK
FILES = (
    *(debian_lock.SPEC, debian_lock.LOCK, security_lock.LOCK),
    *(pypi_lock.SPEC, pypi_lock.LOCK, pypi_lock.SDISTS, pypi_lock.WHEELS),
    *(
        folder + name
        for folder in pypi_lock.APART
        for name in (pypi_lock.SPEC, pypi_lock.LOCK, pypi_lock.WHEELS)
    ),
    *(_VERSION, _LAUNCHER, npm_lock.LOCK),
)
_HASH = re.compile(r"[0-9a-f]{64}\Z")


def problems(workspace: Path, base: Path | None = None) -> list[str]:
    """Returns what disagrees, one line each; nothing if all is well.

    `base` is requirements_lock.txt of paddle_images, for workspaces that depend on it: what both
    have must be of one version.

    Raises ArchiveError for a spec that cannot be read: only its author can mend it.
    """
    texts = {}
    for name in _files_of(workspace, base):
        path = workspace / name
        if not path.exists():
            return [f"{name} does not exist"]
        texts[name] = path.read_text()
    folders = [folder for folder in pypi_lock.FOLDERS if folder + pypi_lock.SPEC in texts]
    pins = pypi_lock.parse_pins(constraints(workspace, base))
    try:
        return [
            *(_debian(texts) if debian_lock.SPEC in texts else ()),
            *(_security(texts) if security_lock.LOCK in texts else ()),
            *(line for folder in folders for line in _requirements(texts, folder)),
            *(line for folder in folders for line in _wheels(texts, folder)),
            *(line for folder in folders for line in _like_base(texts, folder, pins)),
            *(_start(texts) if is_own(workspace, base) else ()),
        ]
    except (KeyError, TypeError, ValueError) as error:
        return [f"a lock is damaged: {type(error).__name__}: {error}"]


def is_own(workspace: Path, base: Path | None) -> bool:
    """Whether the workspace is paddle_images, and not one that depends on it."""
    return base is None or (workspace / _LAUNCHER).exists()


def constraints(workspace: Path, base: Path | None) -> str:
    """NAME==VERSION of what paddle_images has, for the locks of a workspace that depends on it."""
    if base is None or is_own(workspace, base):
        return ""
    pins = pypi_lock.parse_pins(base.read_text()).values()
    return "".join(f"{pin.name.replace('_', '-')}=={pin.version}\n" for pin in pins)


def _files_of(workspace: Path, base: Path | None) -> Sequence[str]:
    """The specs and locks that a workspace must have: elsewhere only the locks of its specs."""
    if is_own(workspace, base):
        return FILES
    names = []
    if (workspace / debian_lock.SPEC).exists():
        names += [debian_lock.SPEC, debian_lock.LOCK]
        spec = debian_lock.Spec.parse((workspace / debian_lock.SPEC).read_text())
        names += [security_lock.LOCK] if spec.security else []
    if (workspace / pypi_lock.SPEC).exists():
        names += [pypi_lock.SPEC, pypi_lock.LOCK, pypi_lock.WHEELS]
        names += [pypi_lock.SDISTS] if (workspace / pypi_lock.SDISTS).exists() else []
    return names


def _like_base(
    texts: Mapping[str, str], folder: str, base: Mapping[str, pypi_lock.Pin]
) -> Iterator[str]:
    lock_name = folder + pypi_lock.LOCK
    for name, pin in pypi_lock.parse_pins(texts[lock_name]).items():
        if name in base and base[name].version != pin.version:
            yield f"{lock_name}: {name} is {pin.version}, {base[name].version} in paddle_images"


def _debian(texts: Mapping[str, str]) -> list[str]:
    spec_name, lock_name = debian_lock.SPEC, debian_lock.LOCK
    spec, lock = debian_lock.Spec.parse(texts[spec_name]), json.loads(texts[lock_name])
    found = []
    if lock["spec_sha256"] != files.digest(texts[spec_name]):
        found.append(f"{spec_name} has changed since {lock_name} was made")
    wanted_as = {
        debian_lock.in_lock(name, arch): wanted
        for name, wanted in spec.sets.items()
        for arch in wanted.archs
    }
    members: dict[str, set[str]] = {name: set() for name in wanted_as}
    for entry in lock["packages"]:
        for name in entry["sets"]:
            if name in members:
                members[name].add(entry["name"])
            else:
                found.append(f"{lock_name}: {entry['name']} is in set {name}, not of {spec_name}")
        if not entry["sets"]:
            found.append(f"{lock_name}: {entry['name']} is in no set")
    for name, wanted in wanted_as.items():
        found += [
            f"{spec_name}: {package} of set {name} is not in {lock_name}"
            for package in wanted.packages
            if package not in members[name]
        ]
        found += [
            f"{spec_name}: {package} is excluded from set {name} and is in {lock_name}"
            for package in wanted.exclude
            if package in members[name]
        ]
    return found + _form(lock_name, texts[lock_name], lock["packages"])


def _security(texts: Mapping[str, str]) -> list[str]:
    lock_name, lock = security_lock.LOCK, json.loads(texts[security_lock.LOCK])
    spec = debian_lock.Spec.parse(texts[debian_lock.SPEC])
    base = {debian_lock.key_of(e): e for e in json.loads(texts[debian_lock.LOCK])["packages"]}
    sets = {
        debian_lock.in_lock(name, arch)
        for name in (spec.security.sets if spec.security else ())
        for arch in spec.sets[name].archs
    }
    found = []
    if lock["debian_sha256"] != files.digest(texts[debian_lock.LOCK]):
        found.append(
            f"{debian_lock.LOCK} has changed since {lock_name} was made: `./bazelw run //:lock -- "
            "--security` makes it anew"
        )
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", lock["date"]):
        found.append(f"{lock_name}: {lock['date']} is no date")
    for entry in lock["packages"]:
        name, old = entry["name"], entry["replaces"]
        if not entry["sets"] or set(entry["sets"]) - sets:
            found.append(f"{lock_name}: {name} is in sets that take no security updates")
        if old != base.get(debian_lock.key_of(entry), {}).get("version", ""):
            found.append(f"{lock_name}: {name} replaces {old}, which {debian_lock.LOCK} lacks")
        elif old and version.compare(old, entry["version"]) > 0:
            found.append(f"{lock_name}: {name} {entry['version']} is older than {old}")
    return found + _form(lock_name, texts[lock_name], lock["packages"])


def _requirements(texts: Mapping[str, str], folder: str) -> list[str]:
    spec_name, lock_name = folder + pypi_lock.SPEC, folder + pypi_lock.LOCK
    pins = pypi_lock.parse_pins(texts[lock_name])
    found = []
    if pypi_lock.spec_digest(texts[lock_name]) != files.digest(texts[spec_name]):
        found.append(f"{spec_name} has changed since {lock_name} was made")
    for requirement, _ in pypi_lock.parse_requirements(texts[spec_name], spec_name):
        pin = pins.get(pypi_lock.normalize(requirement.name))
        if not pin:
            found.append(f"{spec_name}: {requirement} is not in {lock_name}")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            found.append(f"{spec_name}: {requirement} is {pin.version} in {lock_name}")
    for pin in pins.values():
        if not pin.hashes or not all(map(_HASH.match, pin.hashes)):
            found.append(f"{lock_name}: {pin.name} has no sha256, or one that is none")
    if "://" in texts[lock_name]:
        found.append(f"{lock_name} names a host")
    return found


def _wheels(texts: Mapping[str, str], folder: str) -> list[str]:
    lock_name, wheels_name = folder + pypi_lock.LOCK, folder + pypi_lock.WHEELS
    pins, wheels = pypi_lock.parse_pins(texts[lock_name]), json.loads(texts[wheels_name])
    sdists_text = "" if folder else texts.get(pypi_lock.SDISTS, "")
    sdists = pypi_lock.parse_sdists(sdists_text)
    found = []
    for source, text, key in (
        (lock_name, texts[lock_name], "requirements_sha256"),
        (pypi_lock.SDISTS, sdists_text, "sdists_sha256"),
    ):
        if wheels[key] != files.digest(text):
            found.append(f"{source} has changed since {wheels_name} was made")
    entries = {entry["name"]: entry for entry in wheels["wheels"]}
    for name in sorted((pins.keys() | sdists.keys()) ^ entries.keys()):
        missing = f"{lock_name} or {pypi_lock.SDISTS}" if name in entries else wheels_name
        found.append(f"{name} is not in {missing}")
    for name in sorted(sdists.keys() & entries.keys()):
        file, version = entries[name]["file"], sdists[name]
        if not pypi_lock.stands(file, name, version):
            found.append(f"{wheels_name}: {file} is no sdist of {name} {version}, nor its wheel")
    for name in sorted(pins.keys() & entries.keys()):
        entry, pin = entries[name], pins[name]
        if entry["version"] != pin.version:
            found.append(
                f"{name} is {entry['version']} in {wheels_name}, {pin.version} in the lock"
            )
        for machine, told in pypi_lock.of_machines(entry).items():
            if not _HASH.match(told["sha256"]) or told["sha256"] not in pin.hashes:
                found.append(f"{wheels_name}: the sha256 of {name} is not in {lock_name}")
            if not pypi_lock.fits(told["file"], name, pin.version, machine):
                found.append(f"{wheels_name}: {told['file']} is no wheel of {name} that fits")
            for other in told["requires"]:
                if other not in entries:
                    found.append(f"{wheels_name}: {name} requires {other}, which is not there")
    return found + _form(wheels_name, texts[wheels_name], wheels["wheels"])


def _start(texts: Mapping[str, str]) -> list[str]:
    npm = _npm(npm_lock.LOCK, texts[npm_lock.LOCK], npm_lock.BUILDIFIER)
    return [*_launcher(texts), *npm]


def _launcher(texts: Mapping[str, str]) -> list[str]:
    lock = json.loads(texts[_LAUNCHER])
    found = []
    if lock["bazel"]["version"] != texts[_VERSION].strip():
        has = lock["bazel"]["version"]
        found.append(f"{_VERSION} says {texts[_VERSION].strip()}, {_LAUNCHER} has Bazel {has}")
    names = {entry["name"] for entry in lock["packages"]}
    found += [
        f"{name} makes Bazel and is not in {_LAUNCHER}"
        for name in forky.WANTED
        if name not in names
    ]
    found += _npm(_LAUNCHER, texts[_LAUNCHER], launcher_lock.BAZELISK)
    return found + _form(_LAUNCHER, texts[_LAUNCHER], lock["packages"])


def _npm(lock_name: str, text: str, wanted: Mapping[str, str]) -> list[str]:
    has = [{key: entry[key] for key in wanted} for entry in json.loads(text)["npm"]]
    return [] if has == [wanted] else [f"{lock_name} has {has}, and {wanted} is asked for"]


def _form(lock_name: str, text: str, entries: list[Mapping[str, Any]]) -> list[str]:
    names = [(entry["name"], entry.get("arch", "")) for entry in entries]
    found = [
        f"{lock_name}: the sha256 of {entry['name']} is not 64 hexadecimal digits"
        for entry in entries
        if not _HASH.match(entry["sha256"])
    ]
    if names != sorted(set(names)):
        found.append(f"{lock_name}: names are not sorted, or one stands there twice")
    if "://" in text:
        found.append(f"{lock_name} names a host")
    return found
