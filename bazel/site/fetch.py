"""Parallel downloads, each checked against its digest before it is used."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from bazel.site import apt, settings
from bazel.site.messages import Problem
from bazel.site.settings import without_credentials

CONNECTIONS = 8
_ATTEMPTS = 3
_CONNECT_SECONDS = 15
_READ_SECONDS = 60
_CHUNK = 1 << 18
# Of what has no size in a lock: far above what is fetched, far below what fills a disk.
LARGEST = 1 << 28
_STOPPED = Problem("stopped, because another download failed.")


class GoneError(Exception):
    """Every mirror answered, and none has the file."""

    def __init__(self, item: Item) -> None:
        super().__init__(item.name)
        self.item = item


@dataclass(frozen=True)
class Item:
    """A file to fetch; `digest` is of the kind `algorithm` (hashlib's name).

    `setting` is what a user sets, and to what, for the file to come from elsewhere.
    """

    name: str
    urls: tuple[str, ...]
    digest: str
    setting: str
    size: int = 0  # 0: not known
    algorithm: str = "sha256"


@dataclass
class Progress:
    """Bytes that have arrived so far, over all threads."""

    arrived: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        with self.lock:
            self.arrived += count


def fetch_all(
    items: Iterable[Item],
    folder: Path,
    ca_bundle: Path | None,
    done: Callable[[Item, Path], None],
    progress: Progress,
    debian: bool = False,
) -> None:
    """Fetches the items into `folder`, file names being their digests.

    A file that a killed start left there is checked and used again. `done` is
    called with each item and its path, in the thread that fetched it. `debian`:
    they come from Debian's mirrors, for which apt's proxies and logins hold.
    """
    local = threading.local()
    stop = threading.Event()

    def one(item: Item) -> None:
        if stop.is_set():
            return
        try:
            if not hasattr(local, "client"):
                local.client = Client(ca_bundle, debian)
            done(item, _fetch(local.client, item, folder, progress, stop))
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        # Big ones first, so that none is left alone at the end.
        queue = sorted(items, key=lambda item: -item.size)
        futures: list[Future[None]] = [pool.submit(one, item) for item in queue]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    failed = [e for e in (f.exception() for f in futures) if e and e is not _STOPPED]
    # A vanished file has a cure of its own, which an error beside it must not hide.
    for error in sorted(failed, key=lambda e: not isinstance(e, GoneError)):
        raise error


def _fetch(
    client: Client, item: Item, folder: Path, progress: Progress, stop: threading.Event
) -> Path:
    target = folder / item.digest
    if target.exists():
        if _digest(target, item.algorithm) == item.digest:
            progress.add(target.stat().st_size)
            return target
        target.unlink()
    partial = folder / f"{item.digest}.{threading.get_ident()}"
    missing: set[str] = set()  # asking again would not help
    refused = ""
    wrong = ""
    broken = ""
    for attempt in range(_ATTEMPTS):
        broken = ""
        for url in [u for u in item.urls if u not in missing]:
            counted = 0
            checksum = hashlib.new(item.algorithm)
            too_large = False
            try:
                with partial.open("wb") as file:
                    for chunk in client.get(url, item.size or LARGEST):
                        if stop.is_set():
                            raise _STOPPED
                        file.write(chunk)
                        checksum.update(chunk)
                        counted += len(chunk)
                        progress.add(len(chunk))
            except FileNotFoundError:
                missing.add(url)
                continue
            except PermissionError as error:
                missing.add(url)
                refused = f"{without_credentials(url)}: {error}"
                continue
            except TooLargeError:
                too_large = True
            except (OSError, http.client.HTTPException) as error:
                progress.add(-counted)
                if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                broken = f"{without_credentials(url)}: {error or type(error).__name__}"
                continue
            if not too_large and checksum.hexdigest() == item.digest:
                return partial.rename(target)
            progress.add(-counted)
            missing.add(url)
            got = f"{item.algorithm} {checksum.hexdigest()}"
            wrong = (
                f"  expected {item.algorithm} {item.digest}\n"
                f"  got      {f'more than its {item.size} bytes' if too_large else got}\n"
                f"  from     {without_credentials(url)}"
            )
        if len(missing) == len(item.urls):
            break
        time.sleep(0.5 * 2**attempt)
    partial.unlink(missing_ok=True)
    if wrong:
        raise Problem(
            f"{item.name}: the mirror sent wrong bytes.\n{wrong}\nNothing of it was used. Try"
            f" again, or take another mirror: `{item.setting} ./bazelw info`."
        )
    if broken or refused:  # this mirror may have the file, whatever others said
        raise Problem(
            f"{item.name} cannot be fetched: {broken or refused}. Check the network, the proxy"
            " (HTTPS_PROXY, NO_PROXY) and the CA bundle (SSL_CERT_FILE), or take another mirror:"
            f" `{item.setting} ./bazelw info`."
        )
    raise GoneError(item)


class TooLargeError(Exception):
    """More bytes came than the file that is wanted has."""


class Client:
    """Gets URLs over kept connections; one client a thread.

    `debian`: the URLs are of Debian's mirrors, for which apt's proxies and logins hold.
    `chosen`: the user has set their hosts, for which a netrc's `default` holds.
    """

    def __init__(self, ca_bundle: Path | None, debian: bool = False, chosen: bool = True) -> None:
        self._ca_bundle = ca_bundle
        self._debian = debian
        self._chosen = chosen
        self._kept: dict[str, http.client.HTTPConnection] = {}  # idle
        self._proxies = urllib.request.getproxies()
        self.address = ""  # from where the last body came, after all redirections
        self.content_type = ""

    def get(self, url: str, limit: int, accept: str = "*/*") -> Iterator[bytes]:
        """Yields the body, of `limit` bytes at most.

        FileNotFoundError when the server has no such file, PermissionError when it
        gives none to us, TooLargeError when it sends more; no error shows a login.
        """
        if url.startswith("file://"):
            path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
            with Path(path).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            return
        chosen = self._chosen
        for _ in range(10):
            try:
                key, connection, response = self._request(url, accept, chosen)
            except OSError:  # some are ValueErrors, too
                raise
            except ValueError:  # whose text may hold a part of a password
                raise OSError(f"the URL, or that of the proxy, {settings.UNREADABLE}") from None
            self.address = without_credentials(url)
            self.content_type = response.getheader("Content-Type") or ""
            came = 0
            while came < _CHUNK or response.status == 200:  # pages with errors may be cut
                chunk = response.read(_CHUNK)
                came += len(chunk)
                if not chunk:
                    break
                if response.status == 200:
                    if came > limit:
                        connection.close()
                        raise TooLargeError
                    yield chunk
            if response.isclosed() and not response.length:
                self._kept[key] = connection
            else:
                connection.close()
            if response.status == 200 and response.length:
                raise OSError(f"the connection broke {response.length} bytes before the end")
            location = response.getheader("Location")
            if response.status in (301, 302, 303, 307, 308) and location:
                try:
                    old, url = url, _moved(url, location)
                except ValueError:
                    raise OSError("the server redirects to what is no URL") from None
                chosen = chosen and _host(old) == _host(url)
                continue
            if response.status in (404, 410):
                raise FileNotFoundError(without_credentials(url))
            if response.status in (401, 403, 407):
                raise PermissionError(_refusal(response.status, response.reason))
            if response.status != 200:
                raise OSError(f"the server answered {response.status} {response.reason}")
            return
        raise OSError("more than 10 redirections")

    def _request(
        self, url: str, accept: str, chosen: bool
    ) -> tuple[str, http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(url)
        headers = {"User-Agent": "paddle_images", "Accept": accept, "Accept-Encoding": "identity"}
        login = settings.login(url, debian=self._debian, default=chosen)
        if login:
            headers["Authorization"] = basic(*login)
        host = parts.netloc.rpartition("@")[2]
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        proxy = self._proxies.get(parts.scheme)
        if not proxy and self._debian:
            proxy = apt.proxy(url)
        if proxy and urllib.request.proxy_bypass(parts.hostname or ""):
            proxy = None
        if proxy and parts.scheme == "http":
            target = f"http://{host}{target}"
            headers.update(_proxy_authorization(_proxy(proxy)))
        key = f"{parts.scheme}://{host}"
        while True:
            kept = self._kept.pop(key, None)
            connection = kept or self._connect(parts, proxy)
            try:
                connection.request("GET", target, headers=headers)
                return key, connection, connection.getresponse()
            except (ConnectionError, http.client.HTTPException):
                connection.close()
                if not kept:  # a kept one may have been closed by the server meanwhile
                    raise

    def _connect(
        self, parts: urllib.parse.SplitResult, proxy: str | None
    ) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        server = _proxy(proxy) if proxy else parts
        if proxy and server.scheme != "http":
            raise OSError(f"the proxy is of a kind that is not supported, {server.scheme}")
        host = server.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_bundle)
            connection = http.client.HTTPSConnection(
                host, server.port, timeout=_CONNECT_SECONDS, context=context
            )
            if proxy:
                port = parts.port or 443
                connection.set_tunnel(parts.hostname or "", port, _proxy_authorization(server))
        else:
            connection = http.client.HTTPConnection(host, server.port, timeout=_CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(_READ_SECONDS)
        return connection


def hex_of_integrity(integrity: str) -> str:
    """The hexadecimal digest in an npm lock's `sha512-BASE64`."""
    return base64.b64decode(integrity.removeprefix("sha512-")).hex()


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _proxy_authorization(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    login = settings.login(proxy.geturl(), {}) if proxy.username else None
    return {"Proxy-Authorization": basic(*login)} if login else {}


def _host(url: str) -> str | None:
    return urllib.parse.urlsplit(url).hostname


def _moved(url: str, location: str) -> str:
    """Where a redirection leads; a login in the URL stays on its host."""
    old = urllib.parse.urlsplit(url)
    new = urllib.parse.urlsplit(urllib.parse.urljoin(without_credentials(url), location))
    # The same server, or the same host that wants TLS from now on.
    upgraded = (old.scheme, old.port, new.scheme, new.port) == ("http", None, "https", None)
    same = (old.scheme, old.port) == (new.scheme, new.port) or upgraded
    login = old.netloc.rpartition("@")[0]
    if login and old.hostname == new.hostname and same and not new.username:
        new = new._replace(netloc=f"{login}@{new.netloc}")
    return new.geturl()


def _refusal(status: int, reason: str) -> str:
    says = f"the server answered {status} {reason}"
    if status == 401:
        says += (
            "; a login is taken from the URL (http://USER:PASSWORD@HOST/...), from ~/.netrc and,"
            " for Debian's mirrors, from apt's auth.conf"
        )
    return says


def _proxy(value: str) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(value if "://" in value else "http://" + value)


def _digest(path: Path, algorithm: str) -> str:
    checksum = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()
