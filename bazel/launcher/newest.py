"""What Debian's archive has now of the packages that make Bazel.

Where a locked package has vanished from the mirrors, the same names are resolved
again, out of the signed index.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bazel.debian.archive import archive, resolve
from bazel.launcher import forky
from bazel.site.messages import Problem, Say
from bazel.site.settings import Site, without_credentials


def resolve_packages(
    mirrors: Sequence[str], verifier: archive.Verifier, say: Say
) -> list[dict[str, Any]]:
    """The lock entries of the newest packages that make Bazel, by name."""
    channels = [archive.Channel(forky.SUITE, ("main",))]
    packages = archive.load_first(mirrors, channels, verifier, lambda line: say(line, True))
    index = resolve.Index(packages)
    excluded = re.compile(forky.EXCLUDED)
    left_out = [n for n in index.packages if excluded.fullmatch(n) and n not in forky.WANTED]
    chosen = resolve.resolve(index, forky.WANTED, left_out)
    return [package.lock_entry() for package in chosen.values()]


def resolve_again(
    locked: list[dict[str, Any]],
    site: Site,
    verifier: archive.Verifier,
    say: Say,
    with_bazel: bool,
) -> list[dict[str, Any]]:
    """Newer packages in place of the locked ones; Bazel's major version stays, if it is used."""
    try:
        packages = resolve_packages(site.debian_mirrors, verifier, say)
    except archive.ArchiveError as error:
        raise Problem(
            f"the locked packages of Bazel are not on the mirror, and newer ones cannot be resolved"
            f" from its index of Debian {forky.SUITE}: {error}"
        ) from error
    old, new = ({p["name"]: p["version"] for p in side} for side in (locked, packages))
    wanted, has = (side["bazel-bootstrap"].partition("+")[0] for side in (old, new))
    if with_bazel and wanted.split(".")[0] != has.split(".")[0]:
        raise Problem(
            f"the mirror ({without_credentials(site.debian_mirrors[0])}) no longer has Bazel"
            f" {wanted}; it has {has}, which this project was not made for. Name a mirror that"
            " still has it, `DEBIAN_MIRROR=http://MIRROR/debian ./bazelw info`, or let bazelisk"
            " download the release: `USE_BAZEL_VERSION=$(cat .bazelversion) ./bazelw info`."
        )
    differing = [
        f"{name} {old.get(name, '(none)')} -> {new.get(name, '(none)')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
    say(
        f"{len(differing)} packages differ from the lock: {', '.join(differing[:5])}{more}."
        " `./bazelw run //:lock` takes them into the lock",
        False,
    )
    return packages


def host_verifier() -> archive.Verifier | None:
    """gpgv and Debian's keys as this machine has them; None where it lacks one."""
    gpgv = shutil.which("gpgv", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")
    usual = [f"/usr/share/keyrings/debian-archive-keyring.{kind}" for kind in ("gpg", "pgp")]
    keyrings = [os.environ.get("DEBIAN_KEYRING", ""), *usual]
    keyring = next((path for path in keyrings if Path(path).is_file()), None)
    return archive.Verifier(gpgv, keyring) if gpgv and keyring else None
