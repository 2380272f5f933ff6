"""Tests of what `//:lock` does without a network: specs, requirements, diffs."""

import hashlib
import json
import sys

import pytest

from bazel.debian.archive import archive
from bazel.launcher import newest
from bazel.lock import (
    debian_lock,
    diff,
    files,
    launcher_lock,
    lock,
    npm_lock,
    pypi_lock,
    security_lock,
)
from bazel.site.messages import Problem

SPEC = """\
version: 1
sources:
  - channel: test main
archs: [amd64]
sets:
  one:
    packages: [libtls]
  two:
    packages: [libtls, libc]
    exclude: [app]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version: 1", "version: 2", "version is 2"),
        ("archs: [amd64]", "archs: [amd64, s390x]", "archs has s390x; supported are amd64, arm64"),
        ("archs: [amd64]", "archs: [arm64]", "set one is for amd64, which archs does not have"),
        ("archs: [amd64]", "archs: amd64", "archs is not a list of architectures"),
        ("exclude: [app]", "archs: [arm64]", "set two is for arm64, which archs does not have"),
        ("  one:", "  one:arm64:", "set one:arm64 has a colon in its name"),
        ("exclude: [app]", "omit: [app]", "set two has an unknown key omit"),
        ("packages: [libtls]", "packages: libtls", "sets.one.packages is not a list"),
        ("sources:", "source:", "'sources' is missing"),
        ("    packages: [libtls]", "    packages: [libtls", "debian.yaml, line 8: this is no YAML"),
        ("sets:", "set:", "'sets' is missing. Mend debian.yaml"),
        ("  one:\n    packages: [libtls]", "  one:", "sets.one is no mapping"),
        (SPEC, "", "debian.yaml is no mapping"),
        ("version: 1", "version: \0", "not as its head describes it: unacceptable character"),
        ("channel: test main", "channel: test", "names no component"),
    ],
)
def test_damaged_spec(old: str, new: str, says: str) -> None:
    with pytest.raises(archive.ArchiveError) as error:
        debian_lock.Spec.parse(SPEC.replace(old, new))
    assert says in str(error.value)


MACHINES_SPEC = """\
version: 1
sources:
  - channel: test main
archs: [amd64, arm64]
security:
  channel: test-security main
  sets: [image]
sets:
  image:
    archs: [amd64, arm64]
    packages: [app]
  tools:
    packages: [tool]
"""


def package(
    name: str, arch: str, depends: str = "", version: str = "1", suite: str = "test"
) -> archive.Package:
    return archive.Package(
        *(name, version, arch, suite, f"{name}_{version}_{arch}.deb"),
        sha256=hashlib.sha256(f"{name} {version} {arch}".encode()).hexdigest(),
        size=1,
        priority="optional",
        depends=depends,
        provides="",
        conflicts="",
        source=(name, version),
    )


# Needs other packages on the one machine than on the other, and data that both share.
ON_TWO_MACHINES = {
    "amd64": [
        *(package("app", "amd64", "data, simd"), package("data", "all")),
        *(package("simd", "amd64"), package("tool", "amd64", "data")),
    ],
    "arm64": [package("app", "arm64", "data"), package("data", "all")],
}


def entries(text: str) -> list[tuple[str, ...]]:
    return [(e["name"], e["arch"], *e["sets"]) for e in json.loads(text)["packages"]]


def test_a_set_is_resolved_for_each_of_its_machines() -> None:
    spec = debian_lock.Spec.parse(MACHINES_SPEC)
    text = debian_lock.update(MACHINES_SPEC, spec, ON_TWO_MACHINES, print)
    assert entries(text) == [
        ("app", "amd64", "image"),
        ("app", "arm64", "image:arm64"),
        ("data", "all", "image", "image:arm64", "tools"),
        ("simd", "amd64", "image"),
        ("tool", "amd64", "tools"),
    ]
    assert diff.lines("l", "", text)[1:] == [
        *("  + app 1", "  + app:arm64 1", "  + data 1", "  + simd 1", "  + tool 1")
    ]


def test_what_a_machine_lacks_is_told_with_it() -> None:
    spec = debian_lock.Spec.parse(MACHINES_SPEC)
    lacks = {**ON_TWO_MACHINES, "arm64": [package("app", "arm64", "data")]}
    with pytest.raises(archive.ArchiveError, match=r"set image:arm64: app .* needs data"):
        debian_lock.update(MACHINES_SPEC, spec, lacks, print)


def test_machines_that_share_a_package_in_two_versions_are_refused() -> None:
    spec = debian_lock.Spec.parse(MACHINES_SPEC)
    newer = [package("app", "arm64", "data"), package("data", "all", version="2")]
    with pytest.raises(archive.ArchiveError, match=r"data, .* is 2 for arm64, and 1 .*updated"):
        debian_lock.update(MACHINES_SPEC, spec, {**ON_TWO_MACHINES, "arm64": newer}, print)


def secured(updates: debian_lock.Archive) -> list[tuple[str, ...]]:
    spec = debian_lock.Spec.parse(MACHINES_SPEC)
    base = debian_lock.update(MACHINES_SPEC, spec, ON_TWO_MACHINES, print)
    text = security_lock.update(spec, base, ON_TWO_MACHINES, updates, "", "2026-01-01", print)
    assert all(e["replaces"] == "1" for e in json.loads(text)["packages"])
    return entries(text)


def test_updates_are_taken_for_each_machine() -> None:
    app = {
        arch: [package("app", arch, "data", "2", "test-security")] for arch in ("amd64", "arm64")
    }
    assert secured(app) == [("app", "amd64", "image"), ("app", "arm64", "image:arm64")]


def test_what_machines_share_is_updated_for_all_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    data = package("data", "all", version="2", suite="test-security")
    assert secured({"amd64": [data], "arm64": [data]}) == [("data", "all", "image", "image:arm64")]
    app = package("app", "amd64", "data", "2", "test-security")
    assert secured({"amd64": [app], "arm64": []}) == []
    assert (
        "note: app is held back: the suites have its packages in different versions (app 2, app 1)"
        in (capsys.readouterr().out)
    )


def test_damaged_requirements() -> None:
    with pytest.raises(pypi_lock.PyPIError, match=r"^requirements.in: 'web>=' is not a requ.*Mend"):
        pypi_lock.parse_requirements("core\nweb>=\n", pypi_lock.SPEC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("core>=1", "'core>=1' is not NAME==VERSION"),
        ("core==1.*", r"'core==1.\*' is not NAME==VERSION"),
        ("core[fast]==1", "is not NAME==VERSION"),
        ("core==1; python_version > '3'", "is not NAME==VERSION"),
        ("core==1\nCore==2", "core stands there twice"),
    ],
)
def test_damaged_sdists(text: str, says: str) -> None:
    with pytest.raises(pypi_lock.PyPIError, match=rf"^sdists.in: .*{says}"):
        pypi_lock.parse_sdists(text)


def test_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lock", "--gpgv=", "--keyring=", "debain"])
    with pytest.raises(SystemExit):
        lock.main()
    assert capsys.readouterr().err == (
        "usage: ./bazelw run //:lock -- [--check] [--security] [--upgrade] [PART ...]\n"
        "./bazelw run //:lock: error: debain is no part: there are debian, pypi, npm, launcher\n"
    )


def pins(**versions: str) -> dict[str, pypi_lock.Pin]:
    none: frozenset[str] = frozenset()
    return {name: pypi_lock.Pin(name, version, none, none) for name, version in versions.items()}


def test_required_evaluates_markers_and_passes_extras_on() -> None:
    of = pins(a="1", b="1", c="1", d="1")
    dists = {
        "a": ["B[x] >= 1", "d; sys_platform == 'win32'", "missing; extra == 'dev'"],
        "b": ["c; extra == 'x'", "d; python_version >= '3.11' and platform_machine == 'x86_64'"],
        "c": [],
        "d": [],
    }
    assert pypi_lock.required(of, dists) == {"a": ["b"], "b": ["c", "d"], "c": [], "d": []}


@pytest.mark.parametrize("requirement", ["b >= 2", "six"])
def test_required_refuses_what_the_lock_does_not_have(requirement: str) -> None:
    with pytest.raises(pypi_lock.PyPIError, match="a 1 requires"):
        pypi_lock.required(pins(a="1", b="1"), {"a": [requirement], "b": []})


def test_required_refuses_cycles() -> None:
    with pytest.raises(pypi_lock.PyPIError, match="a -> b -> a"):
        pypi_lock.required(pins(a="1", b="1"), {"a": ["b"], "b": ["a"]})


def test_diff_says_what_differs_at_the_same_version() -> None:
    head: dict[str, object] = {"spec_sha256": "0"}
    base: dict[str, object] = {"name": "a", "version": "1", "sha256": "0", "sets": ["x", "y"]}
    old = files.to_text(head, "packages", [base])
    new = files.to_text(head, "packages", [{**base, "sha256": "1", "sets": ["y", "z"]}])
    assert diff.lines("l", old, new) == ["l: 1 changed", "  ~ a 1: new sha256, sets +z -x"]
    other = files.to_text({"spec_sha256": "1"}, "packages", [base])
    assert diff.lines("l", old, other) == ["l: written anew, no entry changed"]


def test_a_bazel_of_another_major_version_is_not_locked() -> None:
    launcher_lock.expect_major("7.7.2", "7.7.1")
    with pytest.raises(Problem, match=r"Bazel 8\.0\.0, and .* made for 7\.7.* debian pypi npm`"):
        launcher_lock.expect_major("8.0.0", "7.7.1")


def test_a_newer_bazel_is_pinned_along_with_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"name": "bazel-bootstrap", "version": "7.7.2+ds-1", "sha256": "0" * 64}
    monkeypatch.setattr(newest, "resolve_packages", lambda *_: [package])
    monkeypatch.setattr(npm_lock, "_integrity", lambda *_: "sha512-")
    verifier = archive.Verifier("gpgv", "keyring")
    texts = launcher_lock.update("7.7.1\n", [], verifier, lambda *_: None)
    lock = json.loads(texts[launcher_lock.LOCK])
    assert (lock["bazel"], lock["packages"]) == ({"version": "7.7.2"}, [package])
    told = diff.lines(launcher_lock.VERSION, "7.7.1\n", texts[launcher_lock.VERSION])
    assert told == [".bazelversion: 7.7.1 -> 7.7.2"]
