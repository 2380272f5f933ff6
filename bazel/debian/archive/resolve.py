"""Resolves package names to their closure, starting from an empty system.

Depends and Pre-Depends are followed, Recommends are not, and no package is
there by itself (Essential included). The newest version of each name is the
candidate. The result depends on nothing but the archive and the names.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence

from bazel.debian.archive import archive, version

_RELATION = re.compile(
    r"\s*([a-z0-9][a-z0-9.+-]*)(?::[a-z0-9-]+)?\s*"
    r"(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?\s*(?:\[[^\]]*\]\s*)?(?:<[^>]*>\s*)*\Z"
)
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


class ResolutionError(archive.ArchiveError):
    """The archive has no set of packages that gives what was asked for."""


@dataclasses.dataclass(frozen=True)
class Relation:
    """`name (op version)`; op is empty where any version will do."""

    name: str
    op: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.op} {self.version})" if self.op else self.name


Clause = tuple[Relation, ...]  # alternatives


@functools.cache
def parse_relations(text: str) -> tuple[Clause, ...]:
    """Parses the value of a Depends-like field."""
    return tuple(
        tuple(_relation(alternative) for alternative in clause.split("|"))
        for clause in text.split(",")
        if clause.strip()
    )


def _relation(text: str) -> Relation:
    match = _RELATION.match(text)
    if not match:
        raise ResolutionError(f"{text.strip()!r} is not a Debian package relation.")
    return Relation(match[1], match[2] or "", match[3] or "")


class Index:
    """The candidates of an archive, by name and by what they provide."""

    def __init__(self, packages: Iterable[archive.Package]) -> None:
        self.packages: dict[str, archive.Package] = {}
        for package in packages:
            other = self.packages.get(package.name)
            if not other or version.compare(other.version, package.version) < 0:
                self.packages[package.name] = package
        # Name -> the provider and the version that it provides, if it says one.
        self._providers: dict[str, list[tuple[archive.Package, str]]] = {}
        for package in self.packages.values():
            for clause in parse_relations(package.provides):
                for given in clause:
                    self._providers.setdefault(given.name, []).append((package, given.version))
        for providers in self._providers.values():
            providers.sort(key=lambda provider: (_priority(provider[0]), provider[0].name))

    def knows(self, name: str) -> bool:
        return name in self.packages or name in self._providers

    def candidates(self, clause: Clause) -> list[archive.Package]:
        """Packages that satisfy the clause, best first: its order, real before virtual."""
        found: dict[str, archive.Package] = {}
        for wanted in clause:
            package = self.packages.get(wanted.name)
            if package and _meets(package.version, wanted):
                found.setdefault(package.name, package)
            for provider, given in self._providers.get(wanted.name, ()):
                if _meets(given, wanted):
                    found.setdefault(provider.name, provider)
        return list(found.values())

    def describe(self, clause: Clause) -> str:
        """What the archive has of the names in the clause."""
        has = []
        for wanted in clause:
            package = self.packages.get(wanted.name)
            if package:
                has.append(f"{package.name} {package.version}")
            has += [
                f"{wanted.name}{' ' + given if given else ''} of {provider.name}"
                for provider, given in self._providers.get(wanted.name, ())
            ]
        return "the archive has " + (", ".join(has) if has else "no such package")


def _meets(has: str, wanted: Relation) -> bool:
    """Says whether a version, empty for a name provided without one, will do."""
    return not wanted.op or (bool(has) and version.satisfies(has, wanted.op, wanted.version))


def _priority(package: archive.Package) -> int:
    known = package.priority in _PRIORITIES
    return _PRIORITIES.index(package.priority) if known else len(_PRIORITIES)


def resolve(
    index: Index, wanted: Sequence[str], exclude: Sequence[str] = ()
) -> dict[str, archive.Package]:
    """Returns the closure of the wanted names, by name in order.

    Excluded packages count as present, so that whatever needs them is content,
    but they are not in the result and their own dependencies are not followed.
    """
    for name in exclude:
        if not index.knows(name):
            raise ResolutionError(f"excluded package {name}: the archive has no such package.")
        if name in wanted:
            raise ResolutionError(f"{name} is both asked for and excluded.")
    return _Resolution(index, set(exclude)).run(wanted)


class _Resolution:
    def __init__(self, index: Index, exclude: set[str]) -> None:
        self._index = index
        self._exclude = exclude
        self._chosen: dict[str, archive.Package] = {}
        self._wanted_by: dict[str, str] = {}  # name -> who brought it in
        self._open: list[tuple[str, Clause]] = []  # by whom, what; oldest first

    def run(self, wanted: Sequence[str]) -> dict[str, archive.Package]:
        for name in wanted:
            package = self._index.packages.get(name)
            if not package:
                clause = (Relation(name),)
                hint = self._index.describe(clause)
                raise ResolutionError(f"{name} is asked for, but {hint}.")
            self._choose(package, "")
        while self._open:
            self._step()
        self._check_conflicts()
        return dict(sorted(self._chosen.items()))

    def _step(self) -> None:
        """Decides what has one answer; where nothing has, takes one first alternative."""
        undecided: list[tuple[str, Clause, archive.Package]] = []
        clauses, self._open = self._open, []
        before = len(self._chosen)
        for by, clause in clauses:
            candidates = self._index.candidates(clause)
            names = {candidate.name for candidate in candidates}
            if names & self._chosen.keys() or names & self._exclude:
                continue
            if any(relation.name in self._exclude for relation in clause):
                continue
            fitting = [c for c in candidates if not self._conflict(c)]
            if not fitting:
                raise ResolutionError(self._explain(by, clause, candidates))
            if len(fitting) == 1:
                self._choose(fitting[0], by)
            else:
                undecided.append((by, clause, fitting[0]))
        if undecided and len(self._chosen) == before:
            by, _, best = undecided.pop(0)
            self._choose(best, by)
        self._open = [(by, clause) for by, clause, _ in undecided] + self._open

    def _choose(self, package: archive.Package, by: str) -> None:
        if package.name in self._chosen:
            return
        self._chosen[package.name] = package
        self._wanted_by[package.name] = by
        self._open += [(package.name, clause) for clause in parse_relations(package.depends)]

    def _conflict(self, package: archive.Package) -> archive.Package | None:
        """A chosen package that cannot stand beside this one."""
        for other in self._chosen.values():
            if _excludes(package, other) or _excludes(other, package):
                return other
        return None

    def _check_conflicts(self) -> None:
        # A later choice may be what an earlier one conflicts with.
        for package in self._chosen.values():
            other = self._conflict(package)
            if other:
                raise ResolutionError(
                    f"{package.name} {package.version} ({self._chain(package.name)}) and "
                    f"{other.name} {other.version} ({self._chain(other.name)}) conflict."
                )

    def _explain(self, by: str, clause: Clause, candidates: Sequence[archive.Package]) -> str:
        needs = f"{by} ({self._chain(by)}) needs {' | '.join(map(str, clause))}, but "
        for candidate in candidates:
            other = self._conflict(candidate)
            if other:
                return needs + (
                    f"{candidate.name} {candidate.version} conflicts with "
                    f"{other.name} {other.version} ({self._chain(other.name)})."
                )
        return needs + self._index.describe(clause) + "."

    def _chain(self, name: str) -> str:
        """`asked for`, or the way from the asked package down to this one."""
        chain = [name]
        while self._wanted_by[chain[-1]]:
            chain.append(self._wanted_by[chain[-1]])
        return "asked for" if len(chain) == 1 else "by " + " -> ".join(reversed(chain))


def _excludes(package: archive.Package, other: archive.Package) -> bool:
    """Says whether the package's Conflicts or Breaks rule the other one out."""
    if package.name == other.name or not package.conflicts:
        return False
    has = [Relation(other.name, "=", other.version)]
    has += [given for clause in parse_relations(other.provides) for given in clause]
    return any(
        relation.name == given.name and _meets(given.version, relation)
        for clause in parse_relations(package.conflicts)
        for relation in clause
        for given in has
    )
