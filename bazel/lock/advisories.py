"""What a security update answers, by the data of Debian's security tracker."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from bazel.debian.private import version
from bazel.launcher import fetch, site

# Debian's website, not a mirror of packages: no lock depends on what it says.
TRACKER = "https://security-tracker.debian.org/tracker/data/json"

Data = Mapping[str, Any]


def load(url: str) -> Data:
    """The tracker's data, by source package; Problem where it cannot be had."""
    try:
        body = b"".join(fetch.Client(site.ca_bundle()).get(url, fetch.LARGEST))
        data = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise site.Problem(f"{url} cannot be read: {error}") from error
    return data if isinstance(data, dict) else {}


def answered(data: Data, release: str, source: str, old: str, new: str) -> list[str]:
    """The names of what is open in the old version of a source, and not in the new one."""
    found = []
    for name, advisory in data.get(source, {}).items():
        told = advisory.get("releases", {}).get(release, {})
        fixed = told.get("fixed_version", "")
        if told.get("status") != "resolved" or not fixed:
            continue
        if version.compare(old, fixed) < 0 <= version.compare(new, fixed):
            found.append(name)
    return sorted(found)
