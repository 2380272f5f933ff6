"""debian.yaml -> debian_lock.json: the package sets, resolved and pinned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bazel.debian.archive import archive, resolve
from bazel.lock import files
from bazel.platforms.table import BASE, MACHINES

SPEC, LOCK = "debian.yaml", "debian_lock.json"
# By architecture of the machine: what the archive has for it, those of "all" included.
Archive = Mapping[str, Sequence[archive.Package]]
# Of an entry of a lock: name, architecture of the .deb.
Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class PackageSet:
    """A set of the spec: packages asked for, those to leave out of the closure, machines."""

    packages: Sequence[str]
    exclude: Sequence[str]
    archs: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Security:
    """The suite of security updates, and the sets that take them."""

    channel: archive.Channel
    sets: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Spec:
    """What debian.yaml says."""

    channels: Sequence[archive.Channel]
    sets: Mapping[str, PackageSet]
    security: Security | None

    @property
    def archs(self) -> Sequence[str]:
        """The machines that there are sets for."""
        return sorted({arch for wanted in self.sets.values() for arch in wanted.archs})

    @staticmethod
    def parse(text: str) -> Spec:
        try:
            return Spec._read(yaml.safe_load(text))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise archive.ArchiveError(
                f"{SPEC}, line {line}: this is no YAML: {error.problem}. Mend it there or in the "
                f"lines above; `git diff {SPEC}` shows what has changed."
            ) from error
        except (yaml.YAMLError, KeyError, TypeError, ValueError, archive.ArchiveError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise archive.ArchiveError(
                f"{SPEC} is not as its head describes it: {reason}. Mend {SPEC}; "
                f"`git diff {SPEC}` shows what has changed."
            ) from error

    @staticmethod
    def _read(spec: Any) -> Spec:
        _expect(spec, dict, SPEC)
        if spec["version"] != 1:
            raise ValueError(f"version is {spec['version']}, and only 1 is known")
        archs = _names(spec["archs"], "archs", "architectures")
        if unknown := set(archs) - MACHINES.keys():
            raise ValueError(f"archs has {min(unknown)}; supported are {', '.join(MACHINES)}")
        sets = {}
        for name, entry in _expect(spec["sets"], dict, "sets").items():
            _expect(entry, dict, f"sets.{name}")
            unknown = entry.keys() - {"packages", "exclude", "archs"}
            if unknown:
                raise ValueError(f"set {name} has an unknown key {min(unknown)}")
            if ":" in name:
                raise ValueError(f"set {name} has a colon in its name, as sets of the lock may")
            sets[name] = PackageSet(
                _names(entry["packages"], f"sets.{name}.packages"),
                _names(entry.get("exclude", []), f"sets.{name}.exclude"),
                _names(entry.get("archs", [BASE]), f"sets.{name}.archs", "architectures"),
            )
            if unknown := set(sets[name].archs) - set(archs):
                raise ValueError(f"set {name} is for {min(unknown)}, which archs does not have")
        sources = _expect(spec["sources"], list, "sources")
        channels = [archive.Channel.parse(str(source["channel"])) for source in sources]
        return Spec(
            channels, sets, _security(spec["security"], sets) if "security" in spec else None
        )


def _security(entry: Any, sets: Mapping[str, PackageSet]) -> Security:
    _expect(entry, dict, "security")
    names = _names(entry["sets"], "security.sets")
    unknown = set(names) - sets.keys()
    if unknown:
        raise ValueError(f"security.sets names {min(unknown)}, which is no set")
    channel = archive.Channel.parse(str(entry["channel"]))
    if not channel.suite.endswith("-security"):
        raise ValueError(f"security.channel is {channel.suite}, and its name must end in -security")
    return Security(channel, names)


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where} is no {'mapping' if kind is dict else 'list'}")
    return value


def _names(value: Any, where: str, kind: str = "package names") -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{where} is not a list of {kind}")
    return value


def load(
    spec: Spec, mirrors: Sequence[str], verifier: archive.Verifier, report: archive.Report
) -> Archive:
    """The packages of the spec's channels as they are now."""
    try:
        return {
            arch: archive.load_first(mirrors, spec.channels, verifier, report, arch)
            for arch in spec.archs
        }
    except archive.ChannelError as error:
        raise archive.ChannelError(
            f"{SPEC}, {error} If the channel is misspelt, correct it in {SPEC}."
        ) from error


def in_lock(name: str, arch: str) -> str:
    """What a lock calls a set as it is for a machine."""
    return name if arch == BASE else f"{name}:{arch}"


def key(package: archive.Package) -> Key:
    """What tells a package from the others of a lock."""
    return package.name, package.arch


def key_of(entry: Mapping[str, Any]) -> Key:
    """The same of a package that is in a lock."""
    return entry["name"], entry["arch"]


def closures(
    packages: Archive, sets: Mapping[str, PackageSet], report: archive.Report
) -> tuple[dict[Key, archive.Package], dict[Key, list[str]]]:
    """The packages of all sets for all of their machines, and the sets that each is in."""
    indexes = {arch: resolve.Index(there) for arch, there in packages.items()}
    chosen: dict[Key, archive.Package] = {}
    members: dict[Key, list[str]] = {}
    wanted = [(name, arch) for name in sorted(sets) for arch in sorted(sets[name].archs)]
    for name, arch in wanted:
        label = in_lock(name, arch)
        try:
            closure = resolve.resolve(indexes[arch], sets[name].packages, sets[name].exclude)
        except resolve.ResolutionError as error:
            raise resolve.ResolutionError(f"{SPEC}, set {label}: {error}") from error
        report(f"resolved {label}: {len(closure)} packages")
        for package in closure.values():
            if chosen.setdefault(key(package), package) != package:
                raise archive.ArchiveError(
                    f"{package.name}, which is one package for all machines, is "
                    f"{package.version} for {arch}, and {chosen[key(package)].version} for "
                    f"another one: the mirror is being updated. Try again in some minutes."
                )
            members.setdefault(key(package), []).append(label)
    return dict(sorted(chosen.items())), members


def update(spec_text: str, spec: Spec, packages: Archive, report: archive.Report) -> str:
    """Resolves the spec; returns the lock's text."""
    chosen, members = closures(packages, spec.sets, report)
    entries = [{**package.lock_entry(), "sets": members[k]} for k, package in chosen.items()]
    return files.to_text({"spec_sha256": files.digest(spec_text)}, "packages", entries)
