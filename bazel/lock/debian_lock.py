"""debian.yaml -> debian_lock.json: the package sets, resolved and pinned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bazel.debian.archive import archive, resolve
from bazel.lock import files

SPEC, LOCK = "debian.yaml", "debian_lock.json"


@dataclasses.dataclass(frozen=True)
class PackageSet:
    """A set of the spec: packages asked for, and those to leave out of the closure."""

    packages: Sequence[str]
    exclude: Sequence[str]


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
        if spec["archs"] != ["amd64"]:
            raise ValueError(f"archs is {spec['archs']}, and only [amd64] is supported")
        sets = {}
        for name, entry in _expect(spec["sets"], dict, "sets").items():
            _expect(entry, dict, f"sets.{name}")
            unknown = entry.keys() - {"packages", "exclude"}
            if unknown:
                raise ValueError(f"set {name} has an unknown key {min(unknown)}")
            sets[name] = PackageSet(
                _names(entry["packages"], f"sets.{name}.packages"),
                _names(entry.get("exclude", []), f"sets.{name}.exclude"),
            )
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


def _names(value: Any, where: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{where} is not a list of package names")
    return value


def load(
    spec: Spec, mirrors: Sequence[str], verifier: archive.Verifier, report: archive.Report
) -> Sequence[archive.Package]:
    """The packages of the spec's channels as they are now."""
    try:
        return archive.load_first(mirrors, spec.channels, verifier, report)
    except archive.ChannelError as error:
        raise archive.ChannelError(
            f"{SPEC}, {error} If the channel is misspelt, correct it in {SPEC}."
        ) from error


def closures(
    index: resolve.Index, sets: Mapping[str, PackageSet], report: archive.Report
) -> tuple[dict[str, archive.Package], dict[str, list[str]]]:
    """The packages of all sets, and the sets that each is in; by name."""
    packages: dict[str, archive.Package] = {}
    members: dict[str, list[str]] = {}
    for name, wanted in sorted(sets.items()):
        try:
            closure = resolve.resolve(index, wanted.packages, wanted.exclude)
        except resolve.ResolutionError as error:
            raise resolve.ResolutionError(f"{SPEC}, set {name}: {error}") from error
        report(f"resolved {name}: {len(closure)} packages")
        packages.update(closure)
        for member in closure:
            members.setdefault(member, []).append(name)
    return dict(sorted(packages.items())), members


def update(
    spec_text: str, spec: Spec, packages: Sequence[archive.Package], report: archive.Report
) -> str:
    """Resolves the spec; returns the lock's text."""
    chosen, members = closures(resolve.Index(packages), spec.sets, report)
    entries = [{**package.lock_entry(), "sets": members[name]} for name, package in chosen.items()]
    return files.to_text({"spec_sha256": files.digest(spec_text)}, "packages", entries)
