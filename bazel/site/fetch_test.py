"""What the client of ./bazelw and of the locks does with logins, redirections and sizes."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.site import fetch
from bazel.site.messages import Problem

_LOGIN = "Basic " + base64.b64encode(b"user:p@ss").decode()


class Server(http.server.ThreadingHTTPServer):
    """Answers what a test says; notes (path, login) of each request."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.moved: dict[str, str] = {}  # path -> where it went
        self.status: dict[str, int] = {}
        self.body = b"body"

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:  # noqa: N805
                self.asked.append((handler.path, handler.headers["Authorization"]))
                location = self.moved.get(handler.path)
                handler.send_response(302 if location else self.status.get(handler.path, 200))
                if location:
                    handler.send_header("Location", location)
                handler.send_header("Content-Length", str(len(self.body)))
                handler.end_headers()
                try:
                    handler.wfile.write(self.body)
                except OSError:
                    handler.close_connection = True  # who reads no further

            def log_message(self, *_: object) -> None:
                pass

        super().__init__((host, 0), Handler)
        self.url = f"http://{host}:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def with_login(self, path: str) -> str:
        return self.url.replace("//", "//user:p%40ss@") + path


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as served:
        yield served
        served.shutdown()


@pytest.fixture
def other() -> Iterator[Server]:
    with Server("127.0.0.2") as served:
        yield served
        served.shutdown()


def _get(url: str, limit: int = 1000) -> bytes:
    return b"".join(fetch.Client(None).get(url, limit))


@pytest.mark.parametrize("location", ["/b", "b", "{server}/b"])
def test_a_login_stays_with_its_server(server: Server, location: str) -> None:
    server.moved["/a"] = location.format(server=server.url)
    assert _get(server.with_login("/a")) == b"body"
    assert server.asked == [("/a", _LOGIN), ("/b", _LOGIN)]


@pytest.mark.parametrize("location", ["{other}/b", "//{host}/b", "http://user@{host}/b"])
def test_a_login_follows_no_redirection_to_another_host(
    server: Server, other: Server, location: str
) -> None:
    host = other.url.removeprefix("http://")
    server.moved["/a"] = location.format(other=other.url, host=host)
    assert _get(server.with_login("/a")) == b"body"
    ((path, login),) = other.asked
    assert path == "/b" and login != _LOGIN
    assert "p@ss" not in base64.b64decode((login or "Basic ")[6:]).decode()


def test_a_login_follows_no_redirection_to_another_port(server: Server) -> None:
    with Server() as beside:
        server.moved["/a"] = f"{beside.url}/b"
        assert _get(server.with_login("/a")) == b"body"
        assert beside.asked == [("/b", None)]
        beside.shutdown()


def test_a_netrc_is_for_its_host(
    server: Server, other: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password p@ss\n")
    server.moved["/a"] = f"{other.url}/b"
    assert _get(f"{server.url}/a") == b"body"
    assert (server.asked, other.asked) == ([("/a", _LOGIN)], [("/b", None)])
    named = tmp_path / "elsewhere"
    named.write_text("default login user password p@ss\n")
    monkeypatch.setenv("NETRC", str(named))
    assert _get(f"{other.url}/c") == b"body"
    assert other.asked[-1] == ("/c", _LOGIN)
    # What holds for every host is for those that the user has set.
    assert _get(f"{server.url}/a") == b"body"
    assert server.asked[-1] == ("/a", _LOGIN) and other.asked[-1:] == [("/b", None)]
    b"".join(fetch.Client(None, chosen=False).get(f"{other.url}/d", 1000))
    assert other.asked[-1:] == [("/d", None)]


@pytest.mark.parametrize("status", [401, 403, 404, 500, 302])
def test_no_error_shows_a_login(server: Server, status: int) -> None:
    server.status["/a"] = status
    with pytest.raises(OSError) as error:
        _get(server.with_login("/a"))
    assert "user" not in str(error.value).replace("USER", "") and "p@ss" not in str(error.value)
    assert "p%40ss" not in str(error.value)


@pytest.mark.parametrize("url", ["http://user:pa/ss@a.test/x", "http://user:ss@[bad/x"])
def test_a_url_that_cannot_be_read_is_an_error_without_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    item = fetch.Item("thing 1", (url,), "0" * 64, "DEBIAN_MIRROR=...")
    with pytest.raises(Problem, match="cannot be read; in a user") as problem:
        fetch.fetch_all([item], tmp_path, None, lambda *_: None, fetch.Progress())
    server.moved["/a"] = url
    with pytest.raises(OSError, match="redirects to what is no URL") as redirected:
        _get(f"{server.url}/a")
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(OSError, match="that of the proxy, cannot be read") as proxied:
        _get("http://a.test/x")
    for error in (problem.value, redirected.value, proxied.value):
        assert "ss@" not in str(error) and "'pa'" not in str(error)


def test_a_download_stops_at_its_size(server: Server, tmp_path: Path) -> None:
    server.body = bytes(1 << 24)
    item = fetch.Item("thing 1", (f"{server.url}/a",), "0" * 64, "DEBIAN_MIRROR=...", size=1000)
    progress = fetch.Progress()
    with pytest.raises(Problem, match="sent wrong bytes") as error:
        fetch.fetch_all([item], tmp_path, None, lambda *_: None, progress)
    assert "got      more than its 1000 bytes" in str(error.value)
    assert [path for path in tmp_path.iterdir() if path.stat().st_size] == []
    assert progress.arrived == 0


def test_a_long_page_of_an_error_is_no_wrong_file(server: Server, tmp_path: Path) -> None:
    server.body = bytes(1 << 20)
    server.status["/a"] = 404
    item = fetch.Item("thing 1", (f"{server.url}/a",), "0" * 64, "DEBIAN_MIRROR=...", size=10)
    with pytest.raises(fetch.GoneError):
        fetch.fetch_all([item], tmp_path, None, lambda *_: None, fetch.Progress())


def test_a_refusal_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.status["/a"] = 401
    item = fetch.Item("thing 1", (f"{server.url}/a",), "0" * 64, "DEBIAN_MIRROR=...")
    with pytest.raises(Problem, match="401 Unauthorized; a login is taken from the URL"):
        fetch.fetch_all([item], tmp_path, None, lambda *_: None, fetch.Progress())
    assert len(server.asked) == 1
