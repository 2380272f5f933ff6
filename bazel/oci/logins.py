"""Finds the user's login at a registry, where docker, podman and skopeo keep theirs.

A file is docker's config.json or podman's auth.json: `auths` (auth, username and password, or
identitytoken), `credHelpers` and `credsStore`, with keys that are HOST, HOST/NAMESPACE or a URL.
skopeo itself knows neither username and password nor credsStore, and stops at a file that it cannot
read; so it is given what is found here.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bazel.oci.processes import run, user_path

Json = dict[str, Any]

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HUB_AT_HELPERS = "https://index.docker.io/v1/"


@dataclass
class Login:
    """What is known of the user at a registry."""

    entry: Json = field(default_factory=dict)
    """What an authfile has for the registry; empty: there is no login."""
    source: str = ""
    """Where the entry is from."""
    places: list[Path] = field(default_factory=list)
    """The files that were looked into."""
    chosen: bool = False
    """Whether the user named the one file: then no login from elsewhere will do."""
    troubles: list[str] = field(default_factory=list)
    """What was passed over, and why."""


class LoginError(Exception):
    """A file or a flag that the user gave makes no login."""


def files(authfile: Path | None = None) -> list[Path]:
    """Where logins are looked for; one that is chosen stands alone."""
    if authfile:
        return [user_path(authfile)]
    if chosen := os.environ.get("REGISTRY_AUTH_FILE"):
        return [user_path(chosen)]
    folder = os.environ.get("DOCKER_CONFIG")
    if folder and (file := user_path(folder) / "config.json").exists():
        return [file]
    home = Path(os.environ.get("HOME", "/"))
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    run = Path(runtime, "containers") if runtime else Path("/run/containers", str(os.getuid()))
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [
        run / "auth.json",
        config / "containers" / "auth.json",
        home / ".docker" / "config.json",
    ]


def of_words(user: str, secret: str) -> Json:
    """The entry of a user and a password; of a token where the user is `<token>`."""
    if user == "<token>":
        return {"auth": _encoded("<token>:"), "identitytoken": secret}
    return {"auth": _encoded(f"{user}:{secret}")}


def find(repository: str, authfile: Path | None = None) -> Login:
    """The login for HOST/NAME: the first that a file or a helper has."""
    places = files(authfile)
    login = Login(places=places, chosen=len(places) == 1)
    named = bool(authfile or os.environ.get("REGISTRY_AUTH_FILE"))
    for file in login.places:
        try:
            data = file.read_bytes()
        except OSError as error:
            trouble = f"{file} cannot be read ({error.strerror})"
            if named:
                raise LoginError(f"{trouble}: it is to hold the logins") from error
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                login.troubles.append(trouble)
            continue
        try:
            for entry, source in _of_file(file, json.loads(data), repository, login):
                if entry:
                    login.entry, login.source = entry, source
                    return login
        except (AttributeError, TypeError, ValueError):
            login.troubles.append(f"{file} is no file of logins")
    return login


def _of_file(file: Path, config: Json, repository: str, login: Login) -> Iterator[tuple[Json, str]]:
    """Entries for a repository, and where each is from, in docker's order."""
    auths, helpers = config.get("auths") or {}, config.get("credHelpers") or {}
    keys = list(_keys(auths, repository))
    names = [helpers[key] for key in _keys(helpers, repository)] or [config.get("credsStore")]
    for name in filter(None, names):
        host = _place(repository).partition("/")[0]
        server = _HUB_AT_HELPERS if host in _HUB else host
        for asked in dict.fromkeys((server, *keys)):
            try:
                yield _of_helper(name, asked), f"docker-credential-{name}, which {file} names"
            except FileNotFoundError:
                login.troubles.append(
                    f"docker-credential-{name}, which {file} names, is not on your PATH"
                )
                break
            except (OSError, KeyError, ValueError) as error:
                login.troubles.append(f"docker-credential-{name}, which {file} names: {error}")
                break
    for key in keys:
        try:
            yield _of_entry(auths[key]), str(file)
        except ValueError:
            login.troubles.append(f"the login for {key} in {file} is damaged")


def _of_helper(name: str, server: str) -> Json:
    done = run([f"docker-credential-{name}", "get"], input=server.encode())
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace")
        if "credentials not found" in said:
            return {}
        raise ValueError(said or f"exit code {done.returncode}")
    found = json.loads(done.stdout)
    return of_words(found["Username"], found["Secret"])


def _of_entry(entry: Json) -> Json:
    auth, user, token = (entry.get(key) for key in ("auth", "username", "identitytoken"))
    if auth:
        user, colon, secret = base64.b64decode(auth, validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    else:
        secret = entry.get("password") or ""
    found = of_words(user, secret.strip("\0")) if user else {}
    return of_words("<token>", token) if token else found


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _place(key: str) -> str:
    """HOST or HOST/NAMESPACE, which a key stands for; of a URL the host alone counts."""
    bare = re.sub("^https?://", "", key)
    host, slash, rest = bare.partition("/")
    host = _HUB[0] if host in _HUB else host
    return host if bare != key else (host + slash + rest).rstrip("/")


def _keys(table: Iterable[str], repository: str) -> list[str]:
    """The keys that a repository falls under, the nearest first."""
    name = _place(repository) + "/"
    keys = [key for key in table if name.startswith(_place(key) + "/")]
    return sorted(keys, key=lambda key: len(_place(key)), reverse=True)
