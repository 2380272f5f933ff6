"""Serves a folder on loopback, for tests of archives."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def served(
    folder: Path, server_type: type[Server], handler: type[SimpleHTTPRequestHandler]
) -> Iterator[Server]:
    """A server of the folder, on a free port, for the time of a `with`."""
    bound = functools.partial(handler, directory=str(folder))
    with server_type(("127.0.0.1", 0), bound) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def url_of(folder: Path) -> Iterator[str]:
    """The address at which the folder is served as it is."""
    with served(folder, ThreadingHTTPServer, SimpleHTTPRequestHandler) as server:
        yield f"http://127.0.0.1:{server.server_port}"
