"""What has changed between two states of an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bazel.image.report.facts import Facts, Layer, Package

_Key = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """A package that was added, removed, or has changed; sizes in bytes, 0 where it is not."""

    what: str  # added, removed, version, contents, size
    kind: str
    name: str
    before: str
    after: str
    size_before: int
    size_after: int

    @property
    def delta(self) -> int:
        return self.size_after - self.size_before


@dataclass(frozen=True)
class LayerChange:
    """A layer that was added, removed, or has other bytes; None where it is not."""

    name: str
    before: Layer | None
    after: Layer | None


@dataclass(frozen=True)
class Changes:
    """From one state to another; None where the image was not there, or is not."""

    name: str
    before: Facts | None
    after: Facts | None
    packages: list[Change]
    layers: list[LayerChange]

    @property
    def equal(self) -> bool:
        return bool(self.before and self.after and self.before.digest == self.after.digest)

    @property
    def pulled(self) -> int:
        """Bytes of the layers that who has the one must fetch for the other."""
        have = {layer.digest for layer in self.before.layers} if self.before else set()
        layers = {layer.digest: layer for layer in self.after.layers} if self.after else {}
        return sum(layer.compressed for digest, layer in layers.items() if digest not in have)


def compare(name: str, before: Facts | None, after: Facts | None) -> Changes:
    return Changes(
        name,
        before,
        after,
        compare_packages(before.packages if before else [], after.packages if after else []),
        compare_layers(before.layers if before else [], after.layers if after else []),
    )


def _by_name(packages: Sequence[Package]) -> dict[_Key, list[Package]]:
    """A wheel may carry another twice, in two versions; they are one entry."""
    found: dict[_Key, list[Package]] = defaultdict(list)
    for package in packages:
        found[package.kind, package.name].append(package)
    return found


def _versions(packages: Sequence[Package]) -> str:
    return ", ".join(sorted({p.version for p in packages}))


def compare_packages(before: Sequence[Package], after: Sequence[Package]) -> list[Change]:
    """The changes, those first that change the size most."""
    mine, its = _by_name(before), _by_name(after)
    found = []
    for kind, name in sorted(mine.keys() | its.keys()):
        old, new = mine.get((kind, name), []), its.get((kind, name), [])
        versions = _versions(old), _versions(new)
        sizes = sum(p.size for p in old), sum(p.size for p in new)
        if not old:
            what = "added"
        elif not new:
            what = "removed"
        elif versions[0] != versions[1]:
            what = "version"
        elif sorted(str(p.sha256) for p in old) != sorted(str(p.sha256) for p in new):
            what = "contents"
        elif sizes[0] != sizes[1]:
            what = "size"
        else:
            continue
        found.append(Change(what, kind, name, *versions, *sizes))
    return sorted(found, key=lambda change: -abs(change.delta))


def compare_layers(before: Sequence[Layer], after: Sequence[Layer]) -> list[LayerChange]:
    """The layers that differ, in the order of the image."""
    mine = {layer.history: layer for layer in before}
    its = {layer.history: layer for layer in after}
    found = []
    for name in [*its, *(name for name in mine if name not in its)]:
        old, new = mine.get(name), its.get(name)
        if old is None or new is None or old.digest != new.digest:
            found.append(LayerChange(name, old, new))
    return found
