"""What this machine says about its site: package mirrors and CA certificates.

No file of the project names a registry host; these functions find the hosts
where the machine's own tools look for them. Each takes the environment as a
mapping and a root directory, so that tests can hand in their own.

Values are URLs without a trailing slash; credentials in a URL are kept.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bazel.site import apt
from bazel.site.apt import lines as _lines
from bazel.site.messages import Problem

# The suites of Debian's main archive; others' repositories use names of their
# own or are told apart by their path.
_SUITE = re.compile(r"(old){0,2}stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke")

_ROOT = Path("/")

_CA_BUNDLES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
)


UNREADABLE = (
    "cannot be read; in a user name or password write"
    " `/` as %2F, `:` as %3A, `#` as %23, `?` as %3F and `%` as %25"
)


# Hosts that ./bazelw found by itself, for it and what it starts: a netrc's `default` is not for
# them, which may be anybody's.
FOUND = "PADDLE_IMAGES_FOUND_HOSTS"


@dataclass(frozen=True)
class Site:
    """Where this site gets things from; None stands for a tool's own default."""

    debian_mirrors: tuple[str, ...]
    debian_security_mirrors: tuple[str, ...]
    pypi_index: str | None
    npm_registry: str | None
    ca_bundle: Path | None

    @staticmethod
    def find(project: str | Path) -> Site:
        registry = npm_registry(project=Path(project))
        mirrors, security = tuple(debian_mirrors()), tuple(debian_security_mirrors())
        return Site(mirrors, security, pypi_index(), registry, ca_bundle())

    def completed(self, prefix: Path, defaults: Mapping[str, str]) -> Site:
        """With what an installed Bazel's folder has in place of None."""
        return replace(
            self,
            pypi_index=self.pypi_index or defaults["PYPI_INDEX"],
            npm_registry=self.npm_registry or defaults["NPM_REGISTRY"],
            ca_bundle=self.ca_bundle or prefix / "ca-certificates.crt",
        )

    def with_mirrors(self, mirrors: Sequence[str]) -> Site:
        """With these mirrors of Debian, which apt does not name, as if it did."""
        security = self.debian_security_mirrors or [mirror + "-security" for mirror in mirrors]
        return replace(self, debian_mirrors=tuple(mirrors), debian_security_mirrors=tuple(security))

    def logins(
        self, env: Mapping[str, str] = os.environ, root: Path = _ROOT
    ) -> list[tuple[str, str, str, str]]:
        """(host, beginning of the URL, user, password), for Bazel, which looks for none.

        The first that fits a URL counts. The beginning is "" for what holds for a
        whole host: files of an index may lie anywhere on it.
        """
        debian = (*self.debian_mirrors, *self.debian_security_mirrors)
        found = []
        for url in (*debian, *self._others()):
            host = urllib.parse.urlsplit(url).hostname
            named = login(url, env, root, debian=url in debian)
            if host and named:
                found.append((host, without_credentials(url), *named))
        for url in (*self._others(), *debian):
            parts = urllib.parse.urlsplit(url)
            if parts.hostname and parts.username:
                found.append((parts.hostname, "", *_of_url(parts)))
        for host, (user, _, password) in _netrc(env).items():
            if host != "default":  # which is no host's own; above it counted for this site's
                found.append((host, "", user or "", password or ""))
        return list(dict.fromkeys(found))

    def proxies(self, env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> dict[str, str]:
        """Variables by which Bazel takes apt's proxies, for Debian's mirrors alone.

        Empty where the environment has proxies of its own, or apt has none.
        """
        found: dict[str, str] = {}
        used, direct = set(), []
        for url in (*self.debian_mirrors, *self.debian_security_mirrors):
            scheme, host = urllib.parse.urlsplit(url)[0], urllib.parse.urlsplit(url).hostname
            if not host or env.get(f"{scheme}_proxy") or env.get(f"{scheme.upper()}_PROXY"):
                continue
            proxy = apt.proxy(url, env, root)
            if proxy:
                found.setdefault(f"{scheme}_proxy", _url(proxy, "apt's setting of a proxy"))
                used.add(host)
            else:
                direct.append(host)
        if found:
            others = [urllib.parse.urlsplit(url).hostname for url in self._others()]
            exempt = [host for host in (*direct, *others) if host and host not in used]
            own = env.get("no_proxy") or env.get("NO_PROXY") or ""
            found["no_proxy"] = ",".join(filter(None, [own, *dict.fromkeys(exempt)]))
        return found

    def hosts(self) -> list[str]:
        urls = (*self.debian_mirrors, *self.debian_security_mirrors, *self._others())
        hosts = (urllib.parse.urlsplit(url).hostname for url in urls)
        return list(dict.fromkeys(host for host in hosts if host))

    def _others(self) -> list[str]:
        return [url for url in (self.pypi_index, self.npm_registry) if url]


def debian_mirrors(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> list[str]:
    """Debian's mirrors, best first: $DEBIAN_MIRROR, else apt's sources.

    A list of mirrors that must be fetched stands there as `mirror+http://...`.
    """
    if env.get("DEBIAN_MIRROR", "").strip():
        return _urls(env, "DEBIAN_MIRROR")
    ranked: dict[str, int] = {}
    for uri, suites, signed_by in apt.entries(root):
        if "debian-security" in uri or not any(map(_SUITE.fullmatch, suites)):
            continue
        for url in _expand(uri, root):
            rank = 2 * ("debian-archive" in signed_by) + url.endswith("/debian")
            ranked[url] = max(rank, ranked.get(url, 0))
    return sorted(ranked, key=lambda url: -ranked[url])


def debian_security_mirrors(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> list[str]:
    """Archives of security suites: $DEBIAN_SECURITY_MIRROR, else apt's and those beside mirrors."""
    if env.get("DEBIAN_SECURITY_MIRROR", "").strip():
        return _urls(env, "DEBIAN_SECURITY_MIRROR")
    found = [
        url
        for uri, suites, _ in apt.entries(root)
        if any(suite.endswith("-security") and _SUITE.match(suite) for suite in suites)
        for url in _expand(uri, root)
    ]
    beside = [mirror + "-security" for mirror in debian_mirrors(env, root)]
    # Who names a mirror wants that one first.
    found = beside + found if env.get("DEBIAN_MIRROR", "").strip() else found + beside
    return [url for url in dict.fromkeys(found) if not is_list(url)]


def is_list(url: str) -> bool:
    """Says whether mirrors are listed there, which must be fetched to know them."""
    return url.startswith("mirror+")


def _urls(env: Mapping[str, str], name: str) -> list[str]:
    """The URLs in a variable, separated by spaces."""
    return [_url(url, name) for url in env[name].split()]


def _expand(uri: str, root: Path) -> list[str]:
    return [_url(url, "a line of apt's sources") for url in apt.expand(uri, root)]


def _url(url: str, setting: str) -> str:
    """The URL that a setting holds, without a trailing slash."""
    if not is_readable(url):
        raise Problem(f"{setting} holds a URL that {UNREADABLE}.")
    return url.rstrip("/")


def is_readable(url: str) -> bool:
    """Says whether a URL has the parts of one. The error would hold a part of the password."""
    try:
        _ = urllib.parse.urlsplit(url).port
    except ValueError:
        return False
    return True


def pypi_index(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> str | None:
    """The simple index that pip is set to use; None: pip's own default."""
    for name in ("PYPI_INDEX", "PIP_INDEX_URL"):
        if env.get(name, "").strip():
            return _url(env[name].strip(), name)
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
    found: dict[str, str] = {}
    for file in files:
        found.update(_pip_conf(file))
    index = found.get("install") or found.get("global")
    return _url(index, "pip's index-url") if index else None


def npm_registry(
    env: Mapping[str, str] = os.environ, root: Path = _ROOT, project: Path | None = None
) -> str | None:
    """The registry that npm is set to use; None: npm's own default."""
    settings = {
        key.lower()[len("npm_config_") :]: value.strip()
        for key, value in env.items()
        if key.lower().startswith("npm_config_")
    }
    if env.get("NPM_REGISTRY", "").strip():
        return _url(env["NPM_REGISTRY"].strip(), "NPM_REGISTRY")
    if settings.get("registry"):
        return _url(settings["registry"], "npm_config_registry")
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
                return _url(value, f"registry in {file}")
    return None


def ca_bundle(env: Mapping[str, str] = os.environ, root: Path = _ROOT) -> Path | None:
    """The PEM file of the CAs that this site trusts, or None."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        if env.get(name) and Path(env[name]).is_file():
            return Path(env[name]).absolute()
    return next((root / path for path in _CA_BUNDLES if (root / path).is_file()), None)


def login(
    url: str,
    env: Mapping[str, str] = os.environ,
    root: Path = _ROOT,
    *,
    debian: bool = False,
    default: bool = True,
) -> tuple[str, str] | None:
    """User and password for a URL: its own, apt's where it is Debian's, those of a netrc.

    `default`: the user has set the host, so that a netrc's `default` holds for it.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.username:
        return _of_url(parts)
    found = apt.login(url, root) if debian else None
    host = parts.hostname or ""
    return found or _netrc_login(host, env, default and host not in env.get(FOUND, "").split())


def _of_url(parts: urllib.parse.SplitResult) -> tuple[str, str]:
    unquote = urllib.parse.unquote
    return unquote(parts.username or ""), unquote(parts.password or "")


def _netrc(env: Mapping[str, str]) -> dict[str, tuple[str, str | None, str | None]]:
    """The entries of the user's netrc; none where it is not there or cannot be read."""
    named = env.get("NETRC") or (f"{env['HOME']}/.netrc" if env.get("HOME") else "")
    if not named or not os.access(named, os.R_OK):
        return {}
    import netrc  # few have such a file, and each start would pay for it

    try:
        # By its name, as pip does: a default one would have to be private.
        return dict(netrc.netrc(named).hosts)
    except (OSError, ValueError, netrc.NetrcParseError):
        return {}


def _netrc_login(host: str, env: Mapping[str, str], default: bool) -> tuple[str, str] | None:
    entries = _netrc(env)
    entry = entries.get(host) or (entries.get("default") if default else None)
    return (entry[0] or "", entry[2] or "") if entry else None


def without_credentials(url: str) -> str:
    """The URL as it may be shown."""
    if not is_readable(url):
        return "(a URL that cannot be read)"
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _pip_conf(path: Path) -> dict[str, str]:
    """`index-url` of a pip.conf by section, read as pip does; {} where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    import configparser  # few machines have such a file, and each start would pay for it

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {
        section: value.strip()
        for section in ("global", "install")
        if parser.has_section(section)
        for name, value in parser.items(section)
        if name.replace("_", "-").removeprefix("--") == "index-url" and value.strip()
    }
