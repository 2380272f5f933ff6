"""forky.py -> launcher_lock.json: the packages that make Bazel, and bazelisk; and .bazelversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bazel.debian.archive import archive
from bazel.launcher import forky, newest
from bazel.lock import files, npm_lock
from bazel.site.messages import Problem, Say

VERSION, LOCK = ".bazelversion", "bazel/launcher/launcher_lock.json"  # from the workspace's root

BAZELISK = {"name": "@bazel/bazelisk", "version": "1.28.1", "file": "bazelisk-linux_amd64"}


def update(
    pinned: str, mirrors: Sequence[str], verifier: archive.Verifier, say: Say
) -> Mapping[str, str]:
    """The new texts of the lock and of .bazelversion, whose text was `pinned`."""
    packages = newest.resolve_packages(mirrors, verifier, say)
    (bazel,) = [p for p in packages if p["name"] == "bazel-bootstrap"]
    has = bazel["version"].partition("+")[0]
    expect_major(has, pinned.strip())
    head = {"bazel": {"version": has}, "npm": [npm_lock.locked(BAZELISK)]}
    return {LOCK: files.to_text(head, "packages", packages), VERSION: f"{has}\n"}


def expect_major(has: str, wanted: str) -> None:
    """Refuses a Bazel of another major version than that of .bazelversion."""
    if has.split(".")[0] != wanted.split(".")[0]:
        raise Problem(
            f"Debian {forky.SUITE} has Bazel {has}, and this project is made for {wanted} "
            "(.bazelversion). Its lock stays as it is; renew the others: "
            "`./bazelw run //:lock -- debian pypi npm`."
        )
