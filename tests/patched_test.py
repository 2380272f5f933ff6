"""What `--config=patched` builds of, by the project's own repository rules and a real Bazel.

The base lock has greeting 1.0; the security lock has 1.1, which needs salute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import mirror_test
from tests.mirror_test import DEB, POOL, Mirror, Workspace, deb

pytestmark = mirror_test.pytestmark

# The launcher may know an archive of security updates; the one beside the mirror is meant.
PATCHED = ("--repo_env=DEBIAN_SECURITY_MIRROR=", "--//bazel/debian:patched")
BASE = f"/debian{POOL}"
NEW = {
    "greeting": ("/pool/updates/main/g/greeting/greeting_1.1_all.deb", deb("hello, patched")),
    "salute": ("/pool/updates/main/s/salute/salute_1.0_all.deb", deb("salute")),
}
UPDATES = {f"/debian-security{pool}": content for pool, content in NEW.values()}


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    yield from mirror_test.serving()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    module = workspace.folder / "MODULE.bazel"
    plain = 'debian.lock(file = "//:debian_lock.json"'
    assert plain in module.read_text()
    both = plain + ', security = "//:security_lock.json"'
    module.write_text(module.read_text().replace(plain, both))
    packages = [
        {
            "name": name,
            "version": "1.1" if name == "greeting" else "1.0",
            "arch": "all",
            "suite": "test-security",
            "pool": pool.removeprefix("/pool/"),
            "sha256": hashlib.sha256(content).hexdigest(),
            "sets": ["everything"],
        }
        for name, (pool, content) in NEW.items()
    ]
    workspace.write("security_lock.json", {"date": "2026-01-01", "packages": packages})
    yield workspace
    workspace.bazel("shutdown")


def test_an_update_that_has_left_the_pool_names_what_mends_it(
    workspace: Workspace, mirror: Mirror
) -> None:
    result = workspace.fetch("@debian//:greeting", f"{mirror.url}/debian", flags=PATCHED)
    assert result.returncode != 0
    assert mirror.asked == [f"/debian-security{NEW['greeting'][0]}"]
    assert "greeting 1.1 (pool/updates/main/g/greeting/greeting_1.1_all.deb) can" in result.stderr
    assert "`./bazelw run //:lock -- --security` takes it" in result.stderr
    assert "A site that keeps the bytes goes on with this one" in result.stderr
    assert "`--repository_cache`, or a mirror of its own" in result.stderr
    assert "DEBIAN_SECURITY_MIRROR=http://MIRROR/debian-security" in result.stderr


def test_each_configuration_is_made_of_its_own_lock_alone(
    workspace: Workspace, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.files |= {BASE: DEB, **UPDATES}
    url = f"{mirror.url}/debian"
    assert workspace.fetch("@debian//:everything", url, tmp_path).returncode == 0
    assert mirror.asked == [BASE]
    mirror.asked.clear()
    assert workspace.fetch("@debian//:everything", url, tmp_path, PATCHED).returncode == 0
    assert sorted(mirror.asked) == sorted(UPDATES)

    # What came with an update is nothing without it.
    alone = workspace.fetch("@debian//:salute", url)
    assert alone.returncode != 0
    assert "it is there with --config=patched only" in alone.stderr

    # A site that keeps the bytes goes on when the pool has newer ones.
    workspace.forget()
    mirror.files.clear()
    assert workspace.fetch("@debian//:everything", url, tmp_path, PATCHED).returncode == 0
