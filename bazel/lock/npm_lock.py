"""npm's registry -> npm_lock.json: programs of npm packages that builds use."""

from __future__ import annotations

import http.client
import json

from bazel.lock import files
from bazel.site import fetch, settings
from bazel.site.messages import Problem

LOCK = "bazel/npm/npm_lock.json"  # from the workspace's root

BUILDIFIER = {"name": "@bazel/buildifier", "version": "8.2.1", "file": "buildifier-linux_amd64"}


def update() -> str:
    """Returns the lock's text.

    The site's registry must be in the environment, as ./bazelw puts it there.
    """
    return files.to_text({}, "npm", [locked(BUILDIFIER)])


def locked(package: dict[str, str]) -> dict[str, str]:
    """A lock's entry of a package: with the integrity that the registry tells of it."""
    return {**package, "integrity": _integrity(package["name"], package["version"])}


def _integrity(name: str, version: str) -> str:
    registry = settings.npm_registry()
    if not registry:
        raise Problem("no npm registry is known. Start this by `./bazelw run //:lock`.")
    client = fetch.Client(settings.ca_bundle())
    try:
        body = b"".join(client.get(f"{registry}/{name.replace('/', '%2f')}", fetch.LARGEST))
        return str(json.loads(body)["versions"][version]["dist"]["integrity"])
    except (OSError, http.client.HTTPException, fetch.TooLargeError) as error:
        why = str(error) or type(error).__name__
    except (LookupError, TypeError, ValueError):  # what is no JSON, or JSON of another kind
        why = "what it sends is no npm package that has this version"
    raise Problem(
        f"{name} {version} cannot be had from {settings.without_credentials(registry)}: {why}. Name"
        " a registry that mirrors the public one: `NPM_REGISTRY=https://REGISTRY ./bazelw run"
        " //:lock`."
    )
