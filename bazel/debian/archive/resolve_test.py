"""Tests of the resolver, on archives of a few lines."""

from collections.abc import Sequence

import pytest

from bazel.debian.archive import archive, resolve


def index(*packages: str) -> resolve.Index:
    """An archive; `a 1.0: Depends: b, c; Priority: required` is a package of it."""
    stanzas = []
    for text in packages:
        head, _, rest = text.partition(":")
        name, number = head.split()
        fields = [field.strip() for field in rest.split(";") if field.strip()]
        stanzas.append(
            "\n".join(
                [
                    f"Package: {name}",
                    f"Version: {number}",
                    "Architecture: amd64",
                    f"Filename: pool/main/{name}.deb",
                    "SHA256: 00",
                    "Size: 1",
                    *fields,
                ]
            )
        )
    return resolve.Index(archive.parse_packages("\n\n".join(stanzas), "test"))


def closure(
    of: resolve.Index, wanted: Sequence[str], exclude: Sequence[str] = ()
) -> dict[str, str]:
    found = resolve.resolve(of, wanted, exclude)
    return {name: package.version for name, package in found.items()}


def test_follows_depends_and_pre_depends_but_not_recommends() -> None:
    archive_ = index(
        "a 1: Depends: b; Pre-Depends: c; Recommends: d",
        "b 1: Depends: e (>= 1)",
        "c 1",
        "d 1",
        "e 2",
    )
    assert closure(archive_, ["a"]) == {"a": "1", "b": "1", "c": "1", "e": "2"}


def test_nothing_is_there_by_itself() -> None:
    assert closure(index("a 1", "dpkg 1: Essential: yes"), ["a"]) == {"a": "1"}


def test_newest_version_is_the_candidate() -> None:
    archive_ = index("a 1.9", "a 1.10", "a 1.10~rc1")
    assert closure(archive_, ["a"]) == {"a": "1.10"}


def test_cycles_end() -> None:
    assert list(closure(index("a 1: Depends: b", "b 1: Depends: a"), ["a"])) == ["a", "b"]


def test_first_available_alternative() -> None:
    archive_ = index("a 1: Depends: missing | b (>= 2) | c | d", "b 1", "c 1", "d 1")
    assert list(closure(archive_, ["a"])) == ["a", "c"]


def test_chosen_alternative_is_enough() -> None:
    archive_ = index("a 1: Depends: b | c", "b 1", "c 1")
    assert list(closure(archive_, ["a", "c"])) == ["a", "c"]


def test_alternative_that_another_package_needs_is_enough() -> None:
    # The choice waits until all that has one answer is decided.
    archive_ = index("a 1: Depends: b | c, d", "b 1", "c 1", "d 1: Depends: c")
    assert list(closure(archive_, ["a"])) == ["a", "c", "d"]


def test_virtual_package() -> None:
    archive_ = index(
        "a 1: Depends: mail",
        "exim 1: Provides: mail; Priority: optional",
        "postfix 1: Provides: mail; Priority: standard",
        "nullmailer 1: Provides: mail; Priority: optional",
    )
    assert list(closure(archive_, ["a"])) == ["a", "postfix"]  # higher priority
    assert list(closure(archive_, ["a", "exim"])) == ["a", "exim"]


def test_real_package_goes_before_its_providers() -> None:
    archive_ = index("a 1: Depends: b", "b 1", "other 1: Provides: b; Priority: required")
    assert list(closure(archive_, ["a"])) == ["a", "b"]


def test_versioned_provides() -> None:
    old = "old 9: Provides: api (= 1)"
    new = "zz 1: Provides: api (= 2)"
    none = "none 9: Provides: api"
    assert list(closure(index("a 1: Depends: api (>= 2)", old, new, none), ["a"])) == ["a", "zz"]
    with pytest.raises(resolve.ResolutionError, match="the archive has api of none, api 1 of old"):
        closure(index("a 1: Depends: api (>= 2)", old, none), ["a"])


def test_architecture_qualifier_is_read() -> None:
    assert list(closure(index("a 1: Depends: b:any (>= 1)", "b 1"), ["a"])) == ["a", "b"]


def test_exclude_prunes_the_package_and_what_only_it_needs() -> None:
    archive_ = index(
        "a 1: Depends: b, c",
        "b 1: Depends: only-b, shared",
        "only-b 1",
        "shared 1",
        "c 1: Depends: shared",
    )
    assert list(closure(archive_, ["a"], ["b"])) == ["a", "c", "shared"]


def test_exclude_brings_no_other_alternative() -> None:
    archive_ = index(
        "a 1: Depends: debconf | debconf-2.0", "debconf 1", "cdebconf 1: Provides: debconf-2.0"
    )
    assert list(closure(archive_, ["a"], ["debconf"])) == ["a"]


def test_exclude_of_an_unknown_name_is_an_error() -> None:
    with pytest.raises(resolve.ResolutionError, match=r"excluded package x: .* no such package"):
        closure(index("a 1"), ["a"], ["x"])


def test_asked_for_and_excluded_is_an_error() -> None:
    with pytest.raises(resolve.ResolutionError, match="a is both asked for and excluded"):
        closure(index("a 1"), ["a"], ["a"])


def test_unknown_name() -> None:
    with pytest.raises(resolve.ResolutionError, match=r"b is asked for, but .* no such package"):
        closure(index("a 1"), ["a", "b"])


def test_virtual_name_asked_for_names_its_providers() -> None:
    with pytest.raises(resolve.ResolutionError, match=r"awk is asked for, but .* awk of mawk"):
        closure(index("mawk 1: Provides: awk"), ["awk"])


def test_unmet_version_names_the_way_to_it() -> None:
    archive_ = index("a 1: Depends: b", "b 1: Depends: c", "c 1: Depends: d (>= 2) | e", "d 1")
    with pytest.raises(resolve.ResolutionError) as error:
        closure(archive_, ["a"])
    assert str(error.value) == ("c (by a -> b -> c) needs d (>= 2) | e, but the archive has d 1.")


def test_conflict_names_both_and_the_ways_to_them() -> None:
    archive_ = index("a 1: Depends: b", "b 1: Conflicts: c (<< 2)", "d 1: Depends: c", "c 1")
    with pytest.raises(resolve.ResolutionError) as error:
        closure(archive_, ["a", "d"])
    assert "conflict" in str(error.value)
    assert "a -> b" in str(error.value)
    assert "c" in str(error.value)


def test_breaks_of_another_version_is_no_conflict() -> None:
    archive_ = index("a 1: Breaks: b (<< 2)", "b 2: Conflicts: b-old; Provides: b-old")
    assert list(closure(archive_, ["a", "b"])) == ["a", "b"]


def test_alternative_that_conflicts_is_passed_over() -> None:
    archive_ = index("a 1: Depends: b | c; Conflicts: virtual", "b 1: Provides: virtual", "c 1")
    assert list(closure(archive_, ["a"])) == ["a", "c"]


def test_order_of_the_archive_does_not_matter() -> None:
    lines = [
        "a 1: Depends: x | y, v",
        "x 1: Provides: v",
        "y 1: Provides: v",
        "b 1: Depends: y | x",
    ]
    results = {
        tuple(closure(index(*order), ["a", "b"])) for order in (lines, lines[::-1], sorted(lines))
    }
    assert results == {("a", "b", "x")}


@pytest.mark.parametrize("text", ["B AD", "a (~ 1)", "a (>= 1", "a b"])
def test_malformed_relation(text: str) -> None:
    with pytest.raises(resolve.ResolutionError, match="is not a Debian package relation"):
        resolve.parse_relations(text)
