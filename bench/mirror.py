"""A mirror on loopback: gives on what the site's mirrors have, and keeps it, so that it is warm.

/debian/... is a Debian mirror, /simple/... a PyPI index. Links of the index lead here, too.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import ssl
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bazel.site.settings import Site

_LINK = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["'][^>]*>([^<]+)</a>""", re.IGNORECASE)


class Mirror:
    """What has been asked for lies in a folder, each file under the hash of its address."""

    def __init__(self, folder: Path, debian: str, pypi: str, ca_bundle: Path | None) -> None:
        self._folder, self._debian, self._pypi = folder, debian.rstrip("/"), pypi.rstrip("/")
        self._context = ssl.create_default_context(cafile=ca_bundle and str(ca_bundle))
        self._locks: dict[Path, threading.Lock] = {}
        self.url = ""
        self.fetched = 0  # files that it had to fetch since it started
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, path: str) -> Path:
        """The file of a path of this mirror; urllib.error.HTTPError where there is none."""
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "debian":
            return self._fetch(f"{self._debian}/{rest}")
        if kind == "file":
            return self._fetch(bytes.fromhex(rest.partition("/")[0]).decode())
        if kind == "simple":
            return self._index(rest.strip("/"))
        raise urllib.error.HTTPError(path, 404, "not of this mirror", None, None)  # type: ignore[arg-type]

    def _index(self, name: str) -> Path:
        address = f"{self._pypi}/{name}/"
        page = self._fetch(address)
        links = []
        for link, text in _LINK.findall(page.read_text()):
            url, mark, digest = urllib.parse.urljoin(address, html.unescape(link)).partition("#")
            coded = url.encode().hex()
            links.append(f'<a href="/file/{coded}/{text.strip()}{mark}{digest}">{text.strip()}</a>')
        ours = page.with_suffix(".html")
        ours.write_text("<!DOCTYPE html>\n" + "<br>\n".join(links))
        return ours

    def _fetch(self, url: str) -> Path:
        path = self._folder / hashlib.sha256(url.encode()).hexdigest()
        with self._locks.setdefault(path, threading.Lock()):
            if not path.exists():
                request = urllib.request.Request(url, headers={"Accept": "text/html, */*"})
                with (
                    urllib.request.urlopen(request, timeout=120, context=self._context) as answer,
                    tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as out,
                ):
                    shutil.copyfileobj(answer, out, 1 << 20)
                Path(out.name).rename(path)
                self.fetched += 1
        return path


@contextmanager
def serve(folder: Path, site: Site, port: int) -> Iterator[Mirror]:
    """Serves a mirror for the time of a `with`."""
    mirror = Mirror(folder, site.debian_mirrors[0], site.pypi_index or "", site.ca_bundle)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                path = mirror.file(self.path)
            except (OSError, ValueError) as error:
                self.send_error(getattr(error, "code", 502), str(error).replace("\n", " "))
                return
            self.send_response(200)
            kind = "text/html" if path.suffix == ".html" else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            mirror.url = f"http://127.0.0.1:{server.server_port}"
            yield mirror
        finally:
            server.shutdown()
            thread.join()
