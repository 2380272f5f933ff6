"""What npm's registry is asked for, and what is told of one that does not know it."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from bazel.lock import npm_lock
from bazel.site.messages import Problem

PACKAGE = "/npm/@bazel%2fbuildifier"
VERSION = npm_lock.BUILDIFIER["version"]


class Registry(http.server.ThreadingHTTPServer):
    """A registry of what is in `files`, whose keys are paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.url = f"http://127.0.0.1:{self.server_port}/npm"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        body = self.server.files.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Registry() as server:
        monkeypatch.setenv("NPM_REGISTRY", server.url.replace("//", "//user:secret@"))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_lock_has_the_integrity_that_the_registry_tells(registry: Registry) -> None:
    told = {"versions": {VERSION: {"dist": {"integrity": "sha512-AAAA"}}}}
    registry.files[PACKAGE] = json.dumps(told).encode()
    (entry,) = json.loads(npm_lock.update())["npm"]
    assert entry == {**npm_lock.BUILDIFIER, "integrity": "sha512-AAAA"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "no npm package that has this version"),
        (b"[]", "no npm package that has this version"),
        (b'{"versions": {}}', "no npm package that has this version"),
        (None, "http://.*buildifier"),
    ],
)
def test_a_wrong_registry_is_told(registry: Registry, body: bytes | None, why: str) -> None:
    if body is not None:
        registry.files[PACKAGE] = body
    with pytest.raises(Problem, match=why) as error:
        npm_lock.update()
    assert f"cannot be had from {registry.url}: " in str(error.value)
    assert "secret" not in str(error.value)


def test_a_registry_that_speaks_no_http_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("NPM_REGISTRY", f"http://127.0.0.1:{server.getsockname()[1]}")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Problem, match=r"cannot be had from http://127\.0\.0\.1:"):
            npm_lock.update()
        thread.join()
