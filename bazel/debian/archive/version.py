"""Order of Debian versions (Debian Policy 5.6.12) and their relations."""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable

from bazel.site.messages import Problem

# A stretch of non-digits, as numbers that compare as Policy says, and the number
# that follows it. A version that has no more to say says _END for ever.
_Part = tuple[tuple[int, ...], int]
_END: _Part = ((0,), 0)

_PART = re.compile(r"(\D*)(\d*)")
# With an epoch the upstream version may hold colons too.
_VERSION = re.compile(
    r"(?:(\d+):)?((?(1)[A-Za-z0-9.+~:-]|[A-Za-z0-9.+~-])+?)(?:-([A-Za-z0-9+.~]*))?\Z"
)

_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "<<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">>": operator.gt,
}


class VersionError(Problem):
    """A text that is no version."""


def compare(one: str, other: str) -> int:
    """Less than, equal to or greater than 0, as `one` is older, equal or newer."""
    (epoch, *mine), (other_epoch, *its) = _split(one), _split(other)
    if epoch != other_epoch:
        return -1 if epoch < other_epoch else 1
    for which in (0, 1):  # upstream version, Debian revision
        for left, right in itertools.zip_longest(mine[which], its[which], fillvalue=_END):
            if left != right:
                return -1 if left < right else 1
    return 0


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Says whether e.g. `version >= wanted` holds; an empty relation always does."""
    return not relation or _RELATIONS[relation](compare(version, wanted), 0)


@functools.cache
def _split(version: str) -> tuple[int, tuple[_Part, ...], tuple[_Part, ...]]:
    match = _VERSION.match(version)
    if not match:
        raise VersionError(f"{version!r} is not a Debian version (Debian Policy 5.6.12).")
    return int(match[1] or 0), _parts(match[2]), _parts(match[3] or "")


def _parts(text: str) -> tuple[_Part, ...]:
    return tuple(
        ((*map(_rank, match[1]), 0), int(match[2] or 0))
        for match in _PART.finditer(text)
        if match[0]
    )


def _rank(char: str) -> int:
    """`~` sorts before the end of a stretch (0), letters before everything else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
