"""Tests of what `//:lock` does without a network: specs, requirements, diffs."""

import json
import sys

import pytest

from bazel.debian.archive import archive
from bazel.launcher import newest
from bazel.lock import debian_lock, diff, files, launcher_lock, lock, npm_lock, pypi_lock
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
        ("archs: [amd64]", "archs: [arm64]", "only [amd64]"),
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
