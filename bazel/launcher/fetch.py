"""Parallel downloads, each checked against its digest before it is used."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import netrc
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from bazel.launcher.site import Problem

CONNECTIONS = 8
_ATTEMPTS = 3
_CONNECT_SECONDS = 15
_READ_SECONDS = 60
_CHUNK = 1 << 18
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
    size: int = 0
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
) -> None:
    """Fetches the items into `folder`, file names being their digests.

    A file that a killed start left there is checked and used again. `done` is
    called with each item and its path, in the thread that fetched it.
    """
    local = threading.local()
    stop = threading.Event()

    def one(item: Item) -> None:
        if stop.is_set():
            return
        try:
            if not hasattr(local, "client"):
                local.client = Client(ca_bundle)
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
    missing: set[str] = set()
    wrong = ""
    broken = ""
    for attempt in range(_ATTEMPTS):
        for url in [u for u in item.urls if u not in missing]:
            counted = 0
            checksum = hashlib.new(item.algorithm)
            try:
                with partial.open("wb") as file:
                    for chunk in client.get(url):
                        if stop.is_set():
                            raise _STOPPED
                        file.write(chunk)
                        checksum.update(chunk)
                        counted += len(chunk)
                        progress.add(len(chunk))
            except FileNotFoundError:
                missing.add(url)
                continue
            except (OSError, http.client.HTTPException) as error:
                progress.add(-counted)
                if getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                broken = f"{without_credentials(url)}: {error or type(error).__name__}"
                continue
            if checksum.hexdigest() == item.digest:
                return partial.rename(target)
            progress.add(-counted)
            missing.add(url)
            wrong = (
                f"  expected {item.algorithm} {item.digest}\n"
                f"  got      {item.algorithm} {checksum.hexdigest()}\n"
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
    # A mirror that answers "no such file" outweighs one that does not answer.
    if broken and not missing:
        raise Problem(
            f"{item.name} cannot be fetched: {broken}. Check the network, the proxy (HTTPS_PROXY,"
            " NO_PROXY) and the CA bundle (SSL_CERT_FILE), or take another mirror:"
            f" `{item.setting} ./bazelw info`."
        )
    raise GoneError(item)


class Client:
    """Gets URLs over kept connections; one client a thread."""

    def __init__(self, ca_bundle: Path | None) -> None:
        self._ca_bundle = ca_bundle
        self._kept: dict[str, http.client.HTTPConnection] = {}  # idle
        self._proxies = urllib.request.getproxies()

    def get(self, url: str) -> Iterator[bytes]:
        """Yields the body; FileNotFoundError when the server has no such file."""
        if url.startswith("file://"):
            path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
            with Path(path).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
            return
        for _ in range(10):
            key, connection, response = self._request(url)
            location = response.getheader("Location")
            moved = response.status in (301, 302, 303, 307, 308) and location
            while chunk := response.read(_CHUNK):
                if response.status == 200:
                    yield chunk
            if response.length:
                connection.close()
                raise OSError(f"the connection broke {response.length} bytes before the end")
            self._kept[key] = connection
            if moved:
                url = urllib.parse.urljoin(url, location)
                continue
            if response.status in (404, 410):
                raise FileNotFoundError(url)
            if response.status != 200:
                raise OSError(f"the server answered {response.status} {response.reason}")
            return
        raise OSError("more than 10 redirections")

    def _request(
        self, url: str
    ) -> tuple[str, http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(url)
        headers = {"User-Agent": "paddle_images", "Accept-Encoding": "identity"}
        headers.update(authorization(parts) or self._netrc(parts.hostname))
        host = parts.netloc.rpartition("@")[2]
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        proxy = self._proxies.get(parts.scheme)
        if proxy and urllib.request.proxy_bypass(parts.hostname or ""):
            proxy = None
        if proxy and parts.scheme == "http":
            target = f"http://{host}{target}"
            headers.update(authorization(_proxy(proxy), "Proxy-Authorization"))
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

    def _netrc(self, host: str | None) -> dict[str, str]:
        """What ~/.netrc has for a host, as pip, curl and Bazel use it."""
        try:
            entry = netrc.netrc().authenticators(host or "")
        except (OSError, netrc.NetrcParseError):
            return {}
        return _basic(entry[0] or "", entry[2] or "", "Authorization") if entry else {}

    def _connect(
        self, parts: urllib.parse.SplitResult, proxy: str | None
    ) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        server = _proxy(proxy) if proxy else parts
        host = server.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_bundle)
            connection = http.client.HTTPSConnection(
                host, server.port, timeout=_CONNECT_SECONDS, context=context
            )
            if proxy:
                headers = authorization(server, "Proxy-Authorization")
                connection.set_tunnel(parts.hostname or "", parts.port or 443, headers)
        else:
            connection = http.client.HTTPConnection(host, server.port, timeout=_CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(_READ_SECONDS)
        return connection


def hex_of_integrity(integrity: str) -> str:
    """The hexadecimal digest in an npm lock's `sha512-BASE64`."""
    return base64.b64decode(integrity.removeprefix("sha512-")).hex()


def without_credentials(url: str) -> str:
    """The URL as it may be shown."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def authorization(url: urllib.parse.SplitResult, header: str = "Authorization") -> dict[str, str]:
    """The header that hands over a URL's credentials; {} where it has none."""
    unquote = urllib.parse.unquote
    return (
        _basic(unquote(url.username), unquote(url.password or ""), header) if url.username else {}
    )


def _basic(user: str, password: str, header: str) -> dict[str, str]:
    return {header: "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _proxy(value: str) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(value if "://" in value else "http://" + value)


def _digest(path: Path, algorithm: str) -> str:
    checksum = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()
