"""Re-resolves launcher_lock.json from Debian forky and the npm registry."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bazel.debian.private import archive
from bazel.launcher import fetch, forky, site

LOCK = "bazel/launcher/launcher_lock.json"  # from the workspace's root

BAZELISK = {"name": "@bazel/bazelisk", "version": "1.28.1", "file": "bazelisk-linux_amd64"}
# Not part of a start: //bazel/format takes it from here.
BUILDIFIER = {"name": "@bazel/buildifier", "version": "8.2.1", "file": "buildifier-linux_amd64"}


def update(
    workspace: str | Path,
    verifier: archive.Verifier,
    check: bool,
    say: Callable[[str, bool], None] = lambda line, passing: None,
) -> str:
    """Returns the differences as lines, "" for none; writes them unless `check`.

    The site's mirrors must be in the environment, as ./bazelw puts them there.
    """
    path = Path(workspace, LOCK)
    old = _read(path)
    packages = forky.resolve_packages(site.debian_mirrors(), verifier, say)
    (bazel,) = [p for p in packages if p["name"] == "bazel-bootstrap"]
    has = bazel["version"].partition("+")[0]
    pinned = Path(workspace, ".bazelversion")
    wanted = pinned.read_text(encoding="utf-8").strip()
    expect_major(has, wanted)
    new = {
        "version": 1,
        "bazel": {"version": has},
        "packages": packages,
        "npm": [
            {**package, "integrity": _integrity(package["name"], package["version"])}
            for package in (BAZELISK, BUILDIFIER)
        ],
    }
    if not check and new != old:
        path.with_suffix(".new").write_text(_dump(new), encoding="utf-8")
        path.with_suffix(".new").replace(path)
    found = differences(old, new)
    if has != wanted:  # tests hold the one to the other
        if not check:
            pinned.write_text(f"{has}\n", encoding="utf-8")
        found.append(f"  .bazelversion {wanted} -> {has}")
    return "\n".join(found)


def expect_major(has: str, wanted: str) -> None:
    """Refuses a Bazel of another major version than that of .bazelversion."""
    if has.split(".")[0] != wanted.split(".")[0]:
        raise site.Problem(
            f"Debian {forky.SUITE} has Bazel {has}, and this project is made for {wanted} "
            "(.bazelversion). Its lock stays as it is; renew the others: "
            "`./bazelw run //:lock -- debian pypi`."
        )


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"packages": [], "npm": []}
    lock: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return lock


def _integrity(name: str, version: str) -> str:
    registry = site.npm_registry()
    if not registry:
        raise site.Problem("no npm registry is known. Start this by `./bazelw run //:lock`.")
    client = fetch.Client(site.ca_bundle())
    try:
        body = b"".join(client.get(f"{registry}/{name.replace('/', '%2f')}", fetch.LARGEST))
        return str(json.loads(body)["versions"][version]["dist"]["integrity"])
    except (OSError, http.client.HTTPException, fetch.TooLargeError) as error:
        why = str(error) or type(error).__name__
    except (LookupError, TypeError, ValueError):  # what is no JSON, or JSON of another kind
        why = "what it sends is no npm package that has this version"
    raise site.Problem(
        f"{name} {version} cannot be had from {site.without_credentials(registry)}: {why}. Name a"
        " registry that mirrors the public one: `NPM_REGISTRY=https://REGISTRY ./bazelw run //:lock"
        " launcher`."
    )


def _dump(lock: dict[str, Any]) -> str:
    """JSON with one package a line, so that a diff reads as a list of packages."""
    lines = [f'  "version": {lock["version"]}', f'  "bazel": {json.dumps(lock["bazel"])}']
    for kind in ("packages", "npm"):
        entries = ",\n".join(f"    {json.dumps(entry)}" for entry in lock[kind])
        lines.append(f'  "{kind}": [\n{entries}\n  ]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    lines = []
    for kind in ("packages", "npm"):
        before, after = ({entry["name"]: entry for entry in lock[kind]} for lock in (old, new))
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                lines.append(f"- {name} {before[name]['version']}")
            elif name not in before:
                lines.append(f"+ {name} {after[name]['version']}")
            elif before[name]["version"] != after[name]["version"]:
                lines.append(f"  {name} {before[name]['version']} -> {after[name]['version']}")
            elif before[name] != after[name]:
                lines.append(f"  {name} {after[name]['version']}: same version, other bytes")
    return lines
