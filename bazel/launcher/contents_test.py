"""An installed Bazel that was damaged is noticed, and mended by the next start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bazel.launcher.fake_site import Checkout, Mirror


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    mirror = Mirror()
    yield Checkout(tmp_path, mirror)
    mirror.close()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("path", "damage"),
    [
        ("usr/bin/bazel", _empty),
        ("usr/bin/bazel", _cut),
        ("usr/bin/bazel", lambda path: path.chmod(0o644)),
        ("usr/share/java/bazel-lib.jar", _empty),
        ("usr/share/bazel/rules/core/MODULE.bazel", Path.unlink),
        ("java", Path.unlink),
        ("java/bin/java", Path.unlink),
        ("bazelisk", Path.unlink),
        ("defaults.json", _cut),
        ("contents.json", _cut),
        ("contents.json", Path.unlink),
    ],
)
def test_damaged_bazel_is_installed_again(
    checkout: Checkout, path: str, damage: Callable[[Path], None]
) -> None:
    assert checkout.run("0").returncode == 0
    (prefix,) = checkout.cache.glob("bazel-*")
    damage(prefix / path)
    again = checkout.run("7")
    assert again.returncode == 7, again
    says, ready = again.stderr.splitlines()
    assert says.endswith(f" is missing or damaged; making {prefix.name} again")
    assert "Bazel 7.7.1 ready" in ready
    assert {path.name for path in checkout.cache.iterdir()} == {"lock", prefix.name}
    later = checkout.run("7")
    assert (later.returncode, later.stderr) == (7, "")


@pytest.mark.parametrize("name", ["bazel", "bazelrc", "trust.jks"])
def test_damaged_settings_are_written_again(checkout: Checkout, name: str) -> None:
    assert checkout.run("0").returncode == 0
    (folder,) = checkout.cache.glob("bazel-*/site-*")
    _empty(folder / name)
    checkout.mirror.close()
    again = checkout.run("7")
    assert (again.returncode, len(again.stderr.splitlines())) == (7, 1), again
    assert f"{folder / name} is missing or damaged" in again.stderr
    assert [path.name for path in folder.parent.glob("*-*") if path.is_dir()] == [folder.name]


def test_damaged_bazel_without_a_mirror(checkout: Checkout) -> None:
    assert checkout.run("0").returncode == 0
    (prefix,) = checkout.cache.glob("bazel-*")
    _empty(prefix / "usr/bin/bazel")
    checkout.mirror.close()
    error = checkout.fails()
    assert "usr/bin/bazel is missing or damaged" in error and "DEBIAN_MIRROR=" in error
