"""The report as users meet it: against a pushed image, with and without a security archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.debian.archive.served import url_of
from bazel.image.attest import security
from bazel.image.oci.layout import Image
from bazel.image.registry.skopeo import Skopeo
from bazel.image.report import against, facts
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, SMALL, environment, program

_DATA = Path("bazel/debian/archive/testdata")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    direct = {"http_proxy": "", "HTTP_PROXY": "", "all_proxy": "", "ALL_PROXY": ""}
    return environment(tmp_path) | direct | {"BUILD_WORKING_DIRECTORY": str(tmp_path)}


@pytest.fixture
def archive() -> Iterator[str]:
    with url_of(_DATA) as url:
        yield url


def test_a_page_where_the_user_stands_and_a_few_lines(home: dict[str, str], tmp_path: Path) -> None:
    done = program("report", "--offline", env=home)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["report", str(tmp_path / "images.html")]
    assert [line.split()[0] for line in lines] == [
        *("report", "small", "second", "stored", "made", "updates")
    ]
    date = security.updates_of(Image(SMALL))
    made = f"with the security updates of {date}" if date else "without security updates"
    assert lines[-2].split(maxsplit=1) == ["made", made]
    assert "Not asked for" in lines[-1]
    text = (tmp_path / "images.html").read_text()
    for image in (SMALL, HERE / "second"):
        assert Image(image).digest in text
    one, all_of_them = (Image(path).compressed_size for path in (SMALL, HERE / "second"))
    stored = float(lines[3].split()[1])
    assert stored * 1e6 < one + all_of_them  # layers that both have count once


def test_updates_of_a_signed_archive(home: dict[str, str], archive: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text(json.dumps({"channel": "test main", "date": "2026-01-02", "packages": []}))
    keys = (f"--keyring={_DATA / 'keyring.gpg'}", f"--security-lock={lock}")
    env = home | {"DEBIAN_SECURITY_MIRROR": archive}
    done = program("report", *keys, env=env)
    assert done.returncode == 0, done.stderr
    assert "no security updates pending" in done.stdout
    text = (tmp_path / "images.html").read_text()
    assert "Debian packages inside is older" in text and archive in text


def test_without_an_archive_the_page_says_so_and_what_mends_it(
    home: dict[str, str], archive: str, tmp_path: Path
) -> None:
    env = home | {"DEBIAN_SECURITY_MIRROR": archive + "/absent"}
    done = program("report", env=env)
    assert done.returncode == 0, done.stderr
    assert "not known" in done.stdout
    text = (tmp_path / "images.html").read_text()
    assert "Pending updates are not known." in text
    assert "DEBIAN_SECURITY_MIRROR=http://MIRROR/debian-security" in text


def test_against_a_pushed_image(home: dict[str, str], tmp_path: Path) -> None:
    assert program("small_push", env=home).returncode == 0
    with runtime.registry(tmp_path / ".cache" / "paddle_images" / "registry") as port:
        repository = f"localhost:{port}/paddle/small"
        reference = f"{repository}@{Image(SMALL).digest}"
        done = program("report", "--offline", "--against", reference, env=home)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].split() == ["changes", "small:", "equal"]
        assert "Equal, to the last bit." in (tmp_path / "images.html").read_text()
        # What the registry tells is what the build has told.
        skopeo = Skopeo(runtime.tool("skopeo"), None, False)
        target, pushed = against.pushed(skopeo, f"{repository}:1.0")
        built = facts.of_layout("small", SMALL, HERE / "small_sbom")
        assert target == "//bazel/image/tests:small"
        assert (pushed.digest, pushed.layers) == (built.digest, built.layers)
        assert pushed.compressed == built.compressed
        assert sorted((p.kind, p.name, p.version, p.size) for p in pushed.packages) == sorted(
            (p.kind, p.name, p.version, p.size) for p in built.packages
        )
        gone = program("report", "--offline", "--against", f"{repository}:absent", env=home)
    assert gone.returncode == 1
    assert "absent" in gone.stderr and "Traceback" not in gone.stderr


def test_mistakes_are_told(home: dict[str, str], tmp_path: Path) -> None:
    done = program("report", "--offline", "--out", "nowhere/x.html", env=home)
    assert done.returncode == 1
    assert "nowhere is no folder" in done.stderr and "Traceback" not in done.stderr
    env = home | {"BUILD_WORKSPACE_DIRECTORY": str(tmp_path)}
    done = program("report", "--offline", "--against", "no-such-revision", env=env)
    assert done.returncode == 1
    assert "no-such-revision" in done.stderr and "Traceback" not in done.stderr
