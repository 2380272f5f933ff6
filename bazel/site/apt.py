"""What apt on this machine is set to: sources, proxies and logins.

Each function takes the root directory of the machine, so that tests can hand in their own.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from bazel.site import deb822

ROOT = Path("/")

# A comment, a "quoted value", a mark, or a word of apt.conf(5).
_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|#[^\n]*|"([^"]*)"|([{};])|([^\s{};"]+)', re.S)


def lines(path: Path) -> list[str]:
    """The lines of a settings file without comments; [] where it cannot be read."""
    found = _text(path).splitlines()
    return [line for line in found if line.strip() and line.strip()[0] not in "#;"]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def entries(root: Path = ROOT) -> Iterator[tuple[str, list[str], str]]:
    """(URI, suites, signing key) of the binary sources that have main."""
    apt = root / "etc/apt"
    for file in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        for line in lines(file):
            match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+(.*)", line)
            if match and "main" in match[4].split():
                signed_by = re.search(r"signed-by=(\S+)", match[1] or "")
                yield match[2], [match[3]], signed_by[1] if signed_by else ""
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in deb822.stanzas(_text(file)):
            enabled = stanza.get("enabled", "yes").strip().lower()
            if (
                enabled not in ("no", "false", "without", "off", "disable", "0")
                and "deb" in stanza.get("types", "").split()
                and "main" in stanza.get("components", "").split()
            ):
                for uri in stanza.get("uris", "").split():
                    yield uri, stanza.get("suites", "").split(), stanza.get("signed-by", "")


def expand(uri: str, root: Path = ROOT) -> list[str]:
    """The URLs that an apt URI stands for; none for a kind that is not supported.

    A list of mirrors that must be fetched first stays as `mirror+http://...`.
    """
    kind, _, path = uri.partition(":")
    if kind == "mirror+file":  # names a file that lists mirrors
        return listed("\n".join(lines(root / path.lstrip("/"))), root)
    if kind in ("mirror", "mirror+http", "mirror+https"):
        return [f"mirror+https:{path}" if kind.endswith("s") else f"mirror+http:{path}"]
    if kind in ("file", "copy"):
        return ["file:///" + path.strip("/")]
    return [uri.rstrip("/")] if kind in ("http", "https") else []


def listed(text: str, root: Path = ROOT) -> list[str]:
    """The URLs in a list of mirrors (apt-transport-mirror(1)): one a line, then metadata."""
    rows = [line.split() for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    return [url for row in rows for url in expand(row[0], root)]


def options(env: Mapping[str, str] = os.environ, root: Path = ROOT) -> dict[str, str]:
    """The settings of apt.conf(5), names in lower case with `::` between their parts."""
    parts = sorted((root / "etc/apt/apt.conf.d").glob("*"))
    files = [Path(env["APT_CONFIG"])] if env.get("APT_CONFIG") else []
    files += [part for part in parts if "." not in part.name or part.suffix == ".conf"]
    found: dict[str, str] = {}
    for file in [*files, root / "etc/apt/apt.conf"]:  # later ones win
        scope: list[str] = []
        words: list[str] = []
        for token in _TOKEN.finditer(_text(file)):
            quoted, mark, word = token.groups()
            if not mark:  # a comment is none of them
                words += [text for text in (quoted, word) if text is not None]
                continue
            if mark == "{":
                scope.append(words[0] if words else "")
            elif len(words) == 2:
                found["::".join([*scope, words[0]]).lower()] = words[1]
            if mark == "}" and scope:
                scope.pop()
            words = []
    return found


def proxy(url: str, env: Mapping[str, str] = os.environ, root: Path = ROOT) -> str | None:
    """The proxy by which apt fetches a URL, with its login; None: directly."""
    parts = urllib.parse.urlsplit(url)
    found = options(env, root)
    # https takes what is set for http, unless something is set for it (apt.conf(5)).
    kinds = (parts.scheme, "http")
    names = [f"acquire::{kind}::proxy::{parts.hostname}" for kind in kinds]
    names += [f"acquire::{kind}::proxy" for kind in kinds]
    value = next((found[name] for name in names if found.get(name)), "DIRECT")
    if value == "DIRECT":
        return None
    value = value if "://" in value else f"http://{value}"
    try:
        named = login(value, root)
    except ValueError:  # it is told where it is used
        return value
    if named and "@" not in urllib.parse.urlsplit(value).netloc:
        user, password = (urllib.parse.quote(part, safe="") for part in named)
        value = value.replace("://", f"://{user}:{password}@", 1)
    return value.rstrip("/")


def login(url: str, root: Path = ROOT) -> tuple[str, str] | None:
    """The user and password that apt_auth.conf(5) has for a URL."""
    parts = urllib.parse.urlsplit(url)
    apt = root / "etc/apt"
    for file in [apt / "auth.conf", *sorted(apt.glob("auth.conf.d/*.conf"))]:
        for entry in _auth_entries(iter(" ".join(lines(file)).split())):
            if _names(entry.get("machine", ""), parts) and "login" in entry:
                return entry["login"], entry.get("password", "")
    return None


def _auth_entries(words: Iterator[str]) -> Iterator[dict[str, str]]:
    entry: dict[str, str] = {}
    for word in words:
        if word == "machine":
            yield entry
            entry = {}
        entry[word] = next(words, "")
    yield entry


def _names(machine: str, url: urllib.parse.SplitResult) -> bool:
    """Says whether `[PROTOCOL://]HOST[:PORT][/PATH]` stands for a URL."""
    scheme, given, rest = machine.rpartition("://")
    host, slash, path = rest.partition("/")
    return (
        url.scheme == (scheme if given else "https")  # passwords do not go over plain http
        and host.lower() in (url.hostname, url.netloc.rpartition("@")[2].lower())
        and (url.path or "/").startswith(slash + path)
    )
