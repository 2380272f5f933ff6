"""Tests of Debian's version order."""

import pytest

from bazel.debian.archive import version

# Each older than the next; Policy 5.6.12 and what dpkg says.
ASCENDING = [
    "0~~",
    "0~~a",
    "0~",
    "0",
    "0a",
    "0+",
    "1.0~beta1~svn1245",
    "1.0~beta1",
    "1.0",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1+deb12u10",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0.0",
    "1.2rc1",
    "1.2.3",
    "1.09.1",
    "1.10",
    "2.36-9",
    "1:0.1",
    "1:1.2.13.dfsg-1",
    "2:0",
]
EQUAL = [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1"), ("1.", "1.0"), ("1-0", "1-00")]


@pytest.mark.parametrize("index", range(len(ASCENDING)))
def test_every_pair_is_in_order(index: int) -> None:
    one = ASCENDING[index]
    assert version.compare(one, one) == 0
    for newer in ASCENDING[index + 1 :]:
        assert version.compare(one, newer) < 0, newer
        assert version.compare(newer, one) > 0, newer


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: str, other: str) -> None:
    assert version.compare(one, other) == version.compare(other, one) == 0


@pytest.mark.parametrize(
    ("has", "relation", "wanted", "holds"),
    [
        ("2.0-1", "", "", True),
        ("2.0-1", ">=", "2.0", True),
        ("2.0-1", "=", "2.0", False),
        ("2.0", "=", "2.0-0", True),
        ("2.0", ">>", "2.0", False),
        ("2.0~rc1", "<<", "2.0", True),
        ("1:1.0", "<=", "2.0", False),
    ],
)
def test_satisfies(has: str, relation: str, wanted: str, holds: bool) -> None:
    assert version.satisfies(has, relation, wanted) is holds


def test_colons_after_an_epoch() -> None:
    assert version.compare("1:2:3-1", "1:2:3-2") < 0
    assert version.compare("1:2:3", "1:2.3") > 0  # signs that are no letters, by their codes
    assert version.compare("2:1", "1:2:3") > 0


@pytest.mark.parametrize("text", ["", "a:1", "1:", "1 0", "1_0"])
def test_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(version.VersionError, match="is not a Debian version"):
        version.compare(text, "1")
