"""The lock of security updates, made of a signed archive and a signed security suite on loopback.

Both are in testdata of //bazel/debian/archive, signed as archive_test.py says.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bazel.debian.archive import archive
from bazel.debian.archive.served import url_of
from bazel.lock import advisories, check, debian_lock, lock, security_lock, security_report

ARCHIVE = Path("bazel/debian/archive/testdata")

# What an image is made of, and what only builds use.
SPEC = """\
version: 1
sources:
  - channel: steady main
archs: [amd64]
security:
  channel: steady-security main
  sets: [image]
sets:
  image:
    packages: [libpage, half, tls]
  tools:
    packages: [editor, libtls]
"""
TRACKER = {
    "tls": {
        "CVE-1": {"releases": {"steady": {"status": "resolved", "fixed_version": "3.0-1+deb2"}}},
        "CVE-2": {"releases": {"steady": {"status": "resolved", "fixed_version": "3.0-1+deb1"}}},
        "CVE-3": {"releases": {"steady": {"status": "resolved", "fixed_version": "3.0-1"}}},
        "CVE-4": {"releases": {"steady": {"status": "open"}}},
        "CVE-5": {"releases": {"other": {"status": "resolved", "fixed_version": "3.0-1+deb2"}}},
        "CVE-6": {"releases": {"steady": {"status": "resolved", "fixed_version": "3.0-2"}}},
    }
}

Run = Callable[..., int]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    shutil.copytree(ARCHIVE, served, copy_function=shutil.copyfile)
    (served / "tracker.json").write_text(json.dumps(TRACKER))
    with url_of(served) as url:
        yield url


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / debian_lock.SPEC).write_text(SPEC)
    return folder


@pytest.fixture
def run(url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `//:lock -- ...` on the workspace."""
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(workspace))
    monkeypatch.setenv("DEBIAN_MIRROR", url)
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", f"{url}/security")
    monkeypatch.setattr(archive, "_PAUSES_SECONDS", ())
    monkeypatch.setattr(advisories, "TRACKER", f"{url}/tracker.json")
    tools = [f"--gpgv={os.environ['GPGV']}", f"--keyring={ARCHIVE / 'updates.gpg'}"]

    def main(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["lock", *tools, *arguments])
        return lock.main()

    return main


def updates(workspace: Path) -> dict[str, dict[str, Any]]:
    text = (workspace / security_lock.LOCK).read_text()
    return {entry["name"]: entry for entry in json.loads(text)["packages"]}


def test_packages_of_one_source_move_together_and_bring_what_they_need(
    run: Run, workspace: Path
) -> None:
    assert run("debian") == 0
    found = updates(workspace)
    assert {name: (e["replaces"], e["version"]) for name, e in found.items()} == {
        "libtls": ("3.0-1", "3.0-1+deb2"),
        "tls": ("3.0-1", "3.0-1+deb2"),
        "libpage": ("1.0-2+b6", "1.0-2+deb1"),
        # What the new libtls needs: of the security suite, and that one's need of the main one.
        "libnew": ("", "1.0-1+deb1"),
        "libbrand-new": ("", "1.0-1"),
    }
    assert {e["suite"] for e in found.values()} == {"steady", "steady-security"}
    assert found["libtls"]["pool"] == "updates/main/t/tls/libtls_3.0-1+deb2_amd64.deb"
    assert all(e["sets"] == ["image"] for e in found.values())


def test_the_base_lock_has_no_update(run: Run, workspace: Path) -> None:
    assert run("debian") == 0
    base = json.loads((workspace / debian_lock.LOCK).read_text())["packages"]
    assert {entry["suite"] for entry in base} == {"steady"}


def test_a_source_of_which_the_suite_has_a_part_is_held_back(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    assert not updates(workspace).keys() & {"half", "half-data"}
    assert (
        "note: halves is held back: the suites have its packages in different versions "
        "(half 1.0-1+deb1, half-data 1.0-1)"
    ) in capsys.readouterr().err


def test_security_takes_updates_and_says_what_they_answer(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    base = (workspace / debian_lock.LOCK).read_bytes()
    # As it was a month ago, when libtls and tls had another update, and page none.
    path = workspace / security_lock.LOCK
    old = json.loads(path.read_text())
    old["date"] = "2024-01-01"
    old["packages"] = [e for e in old["packages"] if e["name"] != "libpage"]
    for entry in old["packages"]:
        entry["version"] = entry["version"].replace("deb2", "deb1")
    path.write_text(json.dumps(old))
    capsys.readouterr()
    assert run("--security") == 0
    assert capsys.readouterr().out == (
        "security_lock.json: 1 added, 2 changed\n"
        "  + libpage 1.0-2+b6 -> 1.0-2+deb1\n"
        "  ~ libtls 3.0-1+deb1 -> 3.0-1+deb2\n"
        "  ~ tls 3.0-1+deb1 -> 3.0-1+deb2\n"
        # No Bazel here that could say which images have the set.
        "image:\n"
        "  page 1.0-2 -> 1.0-2+deb1 (libpage)\n"
        "  tls 3.0-1+deb1 -> 3.0-1+deb2 (libtls, tls)\n"
        "    answers CVE-1\n"
    )
    assert (workspace / debian_lock.LOCK).read_bytes() == base
    assert json.loads(path.read_text())["date"] > "2024-01-01"


def test_nothing_new_changes_nothing(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    path = workspace / security_lock.LOCK
    path.write_text(path.read_text().replace('"date": "2', '"date": "1'))
    before = path.read_text()
    capsys.readouterr()
    assert run("--security") == 0
    assert capsys.readouterr().out == "security_lock.json: no change\n"
    assert path.read_text() == before


def test_the_tracker_out_of_reach_costs_a_line(
    run: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    (workspace / security_lock.LOCK).unlink()
    monkeypatch.setattr(advisories, "TRACKER", "http://127.0.0.1:9/tracker.json")
    capsys.readouterr()
    assert run("--security") == 0
    out, err = capsys.readouterr()
    # The archive of this test has no packages, which would have changelogs.
    assert "tls 3.0-1 -> 3.0-1+deb2 (libtls, tls)" in out and "answers" not in out
    (note,) = [line for line in err.splitlines() if "What changelogs name" in line]
    assert "http://127.0.0.1:9/tracker.json cannot be read" in note
    assert updates(workspace)


CHANGELOG = """\
tls (3.0-1+deb2) steady-security; urgency=high

  * CVE-2024-0003, closes CVE-2024-0002
    (CVE-2024-0003 again)

 -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000

tls (3.0-1+deb1) steady-security; urgency=high

  * CVE-2023-12345

tls (3.0-1) steady; urgency=medium

  * CVE-2022-0001
"""


def test_without_the_tracker_the_changelog_of_a_package_is_read(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        content = gzip.compress(CHANGELOG.encode())
        member = tarfile.TarInfo("./usr/share/doc/libtls/changelog.Debian.gz")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    size = len(data.getvalue())
    deb = b"!<arch>\n" + f"{'data.tar.xz':<48}{size:<10}`\n".encode() + data.getvalue()
    pool = tmp_path / "archive/pool/updates/main/t/tls/libtls.deb"
    pool.parent.mkdir(parents=True)
    pool.write_bytes(deb)
    stanza = (
        "Package: libtls\nVersion: 3.0-1+deb2\nArchitecture: amd64\nSource: tls\n"
        f"Filename: pool/updates/main/t/tls/libtls.deb\nSize: {len(deb)}\n"
        f"SHA256: {hashlib.sha256(deb).hexdigest()}\n"
    )
    (package,) = archive.parse_packages(stanza, "steady-security")
    with url_of(tmp_path / "archive") as url:
        assert advisories.in_changelogs([package], [f"{url}/absent", url], "3.0-1") == [
            *("CVE-2023-12345", "CVE-2024-0002", "CVE-2024-0003")
        ]
        assert advisories.in_changelogs([package], [url], "3.0-1+deb1") == [
            *("CVE-2024-0002", "CVE-2024-0003")
        ]
        pool.write_bytes(deb.replace(b"data.tar.xz", b"data.tar.xy"))
        assert not advisories.in_changelogs([package], [url], "3.0-1")


def test_an_edited_spec_wants_the_base_lock_first(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    (workspace / debian_lock.SPEC).write_text(SPEC.replace("[editor, libtls]", "[editor]"))
    assert run("--security") == 1
    assert "`./bazelw run //:lock -- debian`" in capsys.readouterr().err


def test_a_base_that_has_moved_is_told(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian") == 0
    path = workspace / debian_lock.LOCK
    path.write_text(path.read_text().replace("2.36-9", "2.36-8"))
    assert run("--security") == 1
    error = capsys.readouterr().err
    assert "debian_lock.json has libc 2.36-8, and the mirror 2.36-9" in error
    assert "`./bazelw run //:lock -- debian`" in error


def test_a_site_without_the_security_suite_is_told_what_to_do(
    run: Run,
    url: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", f"{url}/absent")
    assert run("debian") == 1
    error = capsys.readouterr().err
    assert f"{url}/absent/dists/steady-security/InRelease" in error
    assert "`DEBIAN_SECURITY_MIRROR=http://MIRROR/debian-security ./bazelw run" in error
    assert "delete `security:` from debian.yaml" in error and "No lock was changed" in error
    assert not (workspace / debian_lock.LOCK).exists()
    # As it says:
    spec = SPEC.replace("security:\n  channel: steady-security main\n  sets: [image]\n", "")
    (workspace / debian_lock.SPEC).write_text(spec)
    assert run("debian") == 0
    assert not updates(workspace)


def test_security_is_of_one_lock(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--security", "pypi")
    assert "--security renews one lock alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("steady-security main", "steady main", "its name must end in -security"),
        ("sets: [image]", "sets: [images]", "security.sets names images, which is no set"),
        ("  channel: steady-security main\n", "", "'channel' is missing"),
    ],
)
def test_a_spec_that_is_wrong_says_where(old: str, new: str, says: str) -> None:
    with pytest.raises(archive.ArchiveError) as told:
        debian_lock.Spec.parse(SPEC.replace(old, new))
    assert says in str(told.value)


# --check ---------------------------------------------------------------------


@pytest.fixture
def locked(run: Run, workspace: Path) -> Path:
    """A workspace with this project's other locks, which match."""
    for name in check.FILES:
        if name not in (debian_lock.SPEC, debian_lock.LOCK, security_lock.LOCK):
            (workspace / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, workspace / name)
    assert run("debian") == 0
    return workspace


def test_check_holds_the_updates_to_the_base(locked: Path, run: Run) -> None:
    assert run("--check") == 0
    path = locked / security_lock.LOCK
    good = path.read_text()
    for old, new, says in (
        ('"debian_sha256": "', '"debian_sha256": "0', "debian_lock.json has changed since"),
        ('"date": "2', '"date": "x', "is no date"),
        ('"image"', '"tools"', "libtls is in sets that take no security updates"),
        ('"3.0-1",', '"3.0-0",', "libtls replaces 3.0-0, which debian_lock.json lacks"),
        ('"3.0-1+deb2"', '"3.0-1~"', "libtls 3.0-1~ is older than 3.0-1"),
        ('"sha256": "', '"sha256": "x', "sha256 of libtls is not 64 hexadecimal digits"),
        ('"updates/main', '"http://host/main', "security_lock.json names a host"),
        ('"libpage"', '"zlib"', "names are not sorted"),
    ):
        assert old in good
        path.write_text(good.replace(old, new))
        problems = check.problems(locked)
        assert any(says in problem for problem in problems), problems


def test_check_of_a_base_lock_that_was_renewed_alone(locked: Path, run: Run) -> None:
    path = locked / debian_lock.LOCK
    path.write_text(path.read_text() + " ")
    (problem,) = check.problems(locked)
    assert problem.endswith("`./bazelw run //:lock -- --security` makes it anew")


# Which images ----------------------------------------------------------------


def _rule(kind: str, name: str, **labels: list[str]) -> dict[str, object]:
    attributes = [{"name": key, "stringListValue": value} for key, value in labels.items()]
    return {"type": "RULE", "rule": {"name": name, "ruleClass": kind, "attribute": attributes}}


def test_images_are_told_apart_by_what_their_layers_take() -> None:
    answer: list[dict[str, object]] = [
        _rule("image_sbom", "//images:a_sbom", layers=["//images:base", "//images/layers:libc"]),
        _rule("image_sbom", "//images:b_sbom", layers=["//images:base", "//images/layers:tls"]),
        _rule("layer", "//images:base", packages=["@debian//:base"]),
        _rule("layer", "//images/layers:libc", packages=["@debian//:libc"]),
        _rule("layer", "//images/layers:tls", packages=["@debian//:page", "//other:deb"]),
        {"type": "SOURCE_FILE", "sourceFile": {}},
    ]
    inside = security_report.members(answer)
    assert inside == {"a": {"base", "libc"}, "b": {"base", "page"}}
    change = security_report.Change("libtls", frozenset({"page"}), "tls", ("1", "2"), ("1", "2"))
    assert list(security_report.lines([change], inside, {"tls": ["CVE-1"]})) == [
        "a: nothing changes",
        "b:",
        "  tls 1 -> 2 (libtls)",
        "    answers CVE-1",
    ]
