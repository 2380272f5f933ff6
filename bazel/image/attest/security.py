"""Whether an image is made of the base lock alone or with Debian's security updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bazel.debian.archive import version
from bazel.image.oci.layout import Image

LABEL = "paddle_images.security"
LOCK = "security_lock.json"
_BASE = "base"


def updates_of(image: Image) -> str:
    """The date of the security lock that the image is made with; "" for the base lock alone."""
    said = str((image.config["config"].get("Labels") or {}).get(LABEL, _BASE))
    return "" if said == _BASE else said


def pending(inside: Mapping[str, str], lock: Mapping[str, Any]) -> list[str]:
    """The packages that the security lock has in a newer version than the image."""
    newer = (  # on each machine that the package is locked for
        entry["name"]
        for entry in lock["packages"]
        if entry["name"] in inside and version.compare(inside[entry["name"]], entry["version"]) < 0
    )
    return [*dict.fromkeys(newer)]


def summary(image: Image, spdx: Mapping[str, Any], lock: Mapping[str, Any], target: str) -> str:
    """A line for whoever pushes; what is pending is what this checkout knows of, without network.

    Args:
      image: what is pushed.
      spdx: its bill of materials.
      lock: security_lock.json of this checkout.
      target: what pushes it.
    """
    inside = {
        package["name"]: package["versionInfo"]
        for package in spdx["packages"]
        for reference in package.get("externalRefs", [])
        if reference["referenceLocator"].startswith("pkg:deb/")
    }
    count = len(pending(inside, lock))
    date = updates_of(image)
    has = f"with the updates of {date}" if date else "without updates"
    if not count:
        return f"{has}; none is pending by {LOCK} of {lock['date']}"
    return (
        f"{has}; {count} pending by {LOCK} of {lock['date']}, which are taken by "
        f"`./bazelw run --config=patched {target}`"
    )
