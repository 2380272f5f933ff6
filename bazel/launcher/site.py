"""What this machine says about its site: package mirrors and CA certificates.

No file of the project names a registry host; these functions find the hosts
where the machine's own tools look for them. Each takes the environment as a
mapping and a root directory, so that tests can hand in their own.

Values are URLs without a trailing slash; credentials in a URL are kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# The suites of Debian's main archive; others' repositories use names of their
# own or are told apart by their path.
_SUITE = re.compile(r"(old){0,2}stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke")

_ROOT = Path("/")

_CA_BUNDLES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
)


class Problem(Exception):  # noqa: N818 (not always an error of the program)
    """An error for the user: one paragraph that says what mends it."""


@dataclass(frozen=True)
class Site:
    """Where this site gets things from; None stands for a tool's own default."""

    debian_mirrors: tuple[str, ...]
    pypi_index: str | None
    npm_registry: str | None
    ca_bundle: Path | None

    @staticmethod
    def find(project: str | Path) -> Site:
        registry = npm_registry(project=Path(project))
        return Site(tuple(debian_mirrors()), pypi_index(), registry, ca_bundle())

    def completed(self, prefix: Path, defaults: Mapping[str, str]) -> Site:
        """With what an installed Bazel's folder has in place of None."""
        return Site(
            self.debian_mirrors,
            self.pypi_index or defaults["PYPI_INDEX"],
            self.npm_registry or defaults["NPM_REGISTRY"],
            self.ca_bundle or prefix / "ca-certificates.crt",
        )


def debian_mirrors(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> list[str]:
    """Debian's mirrors, best first: $DEBIAN_MIRROR, else apt's sources."""
    if env.get("DEBIAN_MIRROR", "").strip():
        return [url.rstrip("/") for url in env["DEBIAN_MIRROR"].split()]
    ranked: dict[str, int] = {}
    for uri, suites, signed_by in _apt_entries(root):
        if "debian-security" in uri or not any(map(_SUITE.fullmatch, suites)):
            continue
        for url in _expand(uri, root):
            rank = 2 * ("debian-archive" in signed_by) + url.endswith("/debian")
            ranked[url] = max(rank, ranked.get(url, 0))
    return sorted(ranked, key=lambda url: -ranked[url])


def debian_security_mirrors(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> list[str]:
    """Archives of security suites: $DEBIAN_SECURITY_MIRROR, else apt's and those beside mirrors."""
    if env.get("DEBIAN_SECURITY_MIRROR", "").strip():
        return [url.rstrip("/") for url in env["DEBIAN_SECURITY_MIRROR"].split()]
    found = [
        url
        for uri, suites, _ in _apt_entries(root)
        if any(suite.endswith("-security") for suite in suites)
        for url in _expand(uri, root)
    ]
    found += [mirror + "-security" for mirror in debian_mirrors(env, root)]
    return list(dict.fromkeys(found))


def pypi_index(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> str | None:
    """The simple index that pip is set to use; None: pip's own default."""
    for name in ("PYPI_INDEX", "PIP_INDEX_URL"):
        if env.get(name, "").strip():
            return env[name].strip().rstrip("/")
    named = env.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return None
    # In pip's order: later ones win.
    folders = env.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    files = [root / folder.lstrip("/") / "pip/pip.conf" for folder in reversed(folders)]
    files.append(root / "etc/pip.conf")
    if env.get("HOME") and not (named and Path(named).exists()):
        home = Path(env["HOME"])
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
        files += [home / ".pip/pip.conf", config / "pip/pip.conf"]
    if env.get("VIRTUAL_ENV"):
        files.append(Path(env["VIRTUAL_ENV"], "pip.conf"))
    if named:
        files.append(Path(named))
    index = None
    for file in files:
        index = _pip_conf(file) or index
    return index


def npm_registry(
    env: Mapping[str, str] = os.environ, root: Path = _ROOT, project: Path | None = None
) -> str | None:
    """The registry that npm is set to use; None: npm's own default."""
    settings = {
        key.lower()[len("npm_config_") :]: value.strip()
        for key, value in env.items()
        if key.lower().startswith("npm_config_")
    }
    for named in (env.get("NPM_REGISTRY", "").strip(), settings.get("registry")):
        if named:
            return named.rstrip("/")
    # In npm's order: earlier ones win.
    files = [project / ".npmrc"] if project else []
    if settings.get("userconfig") or env.get("HOME"):
        files.append(Path(settings.get("userconfig") or Path(env["HOME"], ".npmrc")))
    if settings.get("globalconfig"):
        files.append(Path(settings["globalconfig"]))
    else:
        files += [root / file for file in ("etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc")]
    for file in files:
        for line in _lines(file):
            key, _, value = line.partition("=")
            value = value.strip().strip("\"'")
            if key.strip() == "registry" and value:
                # npm replaces ${NAME} by the environment's value.
                value = re.sub(r"\$\{(\w+)\}", lambda m: env.get(m[1], m[0]), value)
                return value.rstrip("/")
    return None


def ca_bundle(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> Path | None:
    """The PEM file of the CAs that this site trusts, or None."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        if env.get(name) and Path(env[name]).is_file():
            return Path(env[name]).absolute()
    return next((root / path for path in _CA_BUNDLES if (root / path).is_file()), None)


def _lines(path: Path) -> list[str]:
    """The lines of a settings file without comments; [] where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip() and line.strip()[0] not in "#;"]


def _apt_entries(root: Path) -> Iterator[tuple[str, list[str], str]]:
    """(URI, suites, signing key) of the binary sources that have main."""
    apt = root / "etc/apt"
    for file in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        for line in _lines(file):
            match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+(.*)", line)
            if match and "main" in match[4].split():
                signed_by = re.search(r"signed-by=(\S+)", match[1] or "")
                yield match[2], [match[3]], signed_by[1] if signed_by else ""
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in _stanzas(file):
            enabled = stanza.get("enabled", "yes").strip().lower()
            if (
                enabled not in ("no", "false", "without", "off", "disable", "0")
                and "deb" in stanza.get("types", "").split()
                and "main" in stanza.get("components", "").split()
            ):
                for uri in stanza.get("uris", "").split():
                    yield uri, stanza.get("suites", "").split(), stanza.get("signed-by", "")


def _stanzas(path: Path) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 file, field names in lower case."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    text = "\n".join(line for line in lines if line[:1] != "#")
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        yield fields


def _expand(uri: str, root: Path) -> list[str]:
    """The URLs that an apt URI stands for; none for a kind that is not supported."""
    kind, _, path = uri.partition(":")
    if kind == "mirror+file":  # names a file that lists mirrors
        listed = _lines(root / path.lstrip("/"))
        return [url for line in listed for url in _expand(line.split()[0], root)]
    if kind in ("file", "copy"):
        return ["file:///" + path.strip("/")]
    return [uri.rstrip("/")] if kind in ("http", "https") else []


def _pip_conf(path: Path) -> str | None:
    """`index-url` of a pip.conf: [install] goes before [global]."""
    found: dict[str, str] = {}
    section = ""
    for line in _lines(path):
        if line.startswith("["):
            section = line.strip()[1:-1]
        match = re.match(r"index[-_]url\s*[=:]\s*(\S+)", line)
        if match:
            found[section] = match[1]
    index = found.get("install") or found.get("global")
    return index.rstrip("/") if index else None
