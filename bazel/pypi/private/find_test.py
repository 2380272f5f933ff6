"""What find.py makes of indexes as sites have them: real servers on loopback."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FIND = Path("bazel/pypi/private/find.py").absolute()
FILE = "foo-1.0+cpu-py3-none-any.whl"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


class Index(ThreadingHTTPServer):
    """Serves `pages`, path to (content type, body); `moved`: path to the place where it is now."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, tuple[str, str]] = {}
        self.moved: dict[str, str] = {}
        self.login = ""  # "USER:PASSWORD", where one is asked for
        self.asked: list[tuple[str, str, str]] = []  # path, Authorization, Accept
        self.scheme = "http"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def with_tls(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"


class _Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        index = self.server
        sent = self.headers.get("Authorization", "")
        index.asked.append((self.path, sent, self.headers.get("Accept", "")))
        wanted = "Basic " + base64.b64encode(index.login.encode()).decode()
        kind, text = index.pages.get(self.path, (HTML, ""))
        if self.path in index.moved:
            self.send_response(302)
            self.send_header("Location", index.moved[self.path])
        elif index.login and sent != wanted:
            self.send_response(401)
        else:
            self.send_response(200 if self.path in index.pages else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        yield server
        server.shutdown()


@pytest.fixture
def other() -> Iterator[Index]:
    """Another host: as `localhost`, where the index is 127.0.0.1."""
    with Index() as server:
        server.pages["/simple/foo/"] = (HTML, f'<a href="{FILE}">x</a>')
        yield server
        server.shutdown()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def run(index: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FIND, f"{index}/simple/foo/", FILE],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
    )


def found(index: str, **env: str) -> str:
    done = run(index, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def page(url: str) -> str:
    return json.dumps({"meta": {"api-version": "1.0"}, "files": [{"filename": FILE, "url": url}]})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (HTML, f'<a href="{FILE}#sha256=0">x</a>'),
        (HTML, f'<base href="/files/"><a href="{FILE}">x</a>'),
        (HTML, f'<a href="../../files/{FILE.replace("+", "%2B")}">x</a>'),
        (f"{JSON}; charset=utf-8", page(f"/files/{FILE}")),
        ("application/vnd.pypi.simple.v1+html", f'<a href="/files/{FILE}">x</a>'),
        ("application/json", page(f"https://files.test/{FILE}")),
    ],
)
def test_html_and_json_are_read(index: Index, kind: str, text: str) -> None:
    index.pages["/simple/foo/"] = (kind, text)
    url = found(index.url)
    assert url.replace("%2B", "+").endswith("/" + FILE) and "#" not in url
    # pip's own preference: a mirror answers it as it answers pip.
    ((_, _, accept),) = index.asked
    assert accept.startswith(f"{JSON}, ") and "text/html; q=0.01" in accept


@pytest.mark.parametrize("tls", [False, True])
def test_links_are_relative_to_the_address_that_answers(
    index: Index, certificate: Path, tls: bool
) -> None:
    if tls:
        index.with_tls(certificate)
    index.moved["/simple/foo/"] = "/root/pypi/+simple/foo/"
    index.pages["/root/pypi/+simple/foo/"] = (HTML, f'<a href="../../+f/{FILE}">x</a>')
    assert found(index.url, SSL_CERT_FILE=str(certificate)) == f"{index.url}/root/pypi/+f/{FILE}"


def test_an_unknown_ca_is_told(index: Index, certificate: Path) -> None:
    index.with_tls(certificate)
    assert "CERTIFICATE_VERIFY_FAILED" in run(index.url).stderr


def netrc(folder: Path, text: str) -> dict[str, str]:
    (folder / ".netrc").write_text(text)
    return {"HOME": str(folder)}


def helper(folder: Path) -> dict[str, str]:
    """The launcher's: one program a host, with Bazel's protocol."""
    token = base64.b64encode(b"user:p@ss:w").decode()
    program = folder / "credentials-127.0.0.1"
    answer = json.dumps({"headers": {"Authorization": [f"Basic {token}"]}})
    program.write_text(
        f"#!/bin/sh\nread -r request\ncase $request in '{{\"uri\":'*) echo '{answer}';; esac\n"
    )
    program.chmod(0o700)
    return {"PADDLE_IMAGES_SITE": str(folder)}


@pytest.mark.parametrize("way", ["url", "netrc", "helper"])
def test_a_login_over_plain_http(index: Index, tmp_path: Path, way: str) -> None:
    index.login = "user:p@ss:w"
    index.moved["/simple/foo/"] = f"{index.url}/simple/foo/index.html"  # the same host, in full
    index.pages["/simple/foo/index.html"] = (HTML, f'<a href="{FILE}">x</a>')
    url, env = index.url, {}
    if way == "url":
        url = url.replace("//", "//user:p%40ss%3Aw@")
    elif way == "netrc":
        env = netrc(tmp_path, "machine 127.0.0.1 login user password p@ss:w\n")
    else:
        env = helper(tmp_path)
    # Bazel has its own way to the login; what it would print holds none.
    assert found(url, **env) == f"{index.url}/simple/foo/{FILE}"


@pytest.mark.parametrize("way", ["url", "helper"])
def test_a_login_does_not_follow_to_another_host(
    index: Index, other: Index, tmp_path: Path, way: str
) -> None:
    index.moved["/simple/foo/"] = f"http://localhost:{other.server_port}/simple/foo/"
    url, env = index.url, helper(tmp_path)
    if way == "url":
        url, env = url.replace("//", "//user:secret@"), {}
    assert found(url, **env) == f"http://localhost:{other.server_port}/simple/foo/{FILE}"
    assert index.asked[0][1].startswith("Basic ")
    assert [sent for _, sent, _ in other.asked] == [""]


def test_a_login_stands_in_no_error(index: Index) -> None:
    with_login = index.url.replace("//", "//user:secret@")
    index.login = "user:other"
    index.pages["/simple/foo/"] = (HTML, "")
    refused = run(with_login)
    assert f"{index.url}/simple/foo/ does not open: the server answered 401" in refused.stderr
    assert "~/.netrc" in refused.stderr
    index.login = ""
    gone = run(with_login)
    assert f"{FILE} is not on the index any more" in gone.stderr
    index.pages["/simple/foo/"] = (JSON, '{"message": "moved"}')
    odd = run(with_login)
    assert "what it sends is no page of an index" in odd.stderr
    for done in (refused, gone, odd):
        assert done.returncode == 1 and "secret" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["machine", "\0\xff", "machine a login b passwort c\n"])
def test_an_unreadable_netrc_stops_nobody(index: Index, tmp_path: Path, text: str) -> None:
    index.pages["/simple/foo/"] = (HTML, f'<a href="{FILE}">x</a>')
    assert found(index.url, **netrc(tmp_path, text)) == f"{index.url}/simple/foo/{FILE}"
    (tmp_path / ".netrc").unlink()
    (tmp_path / ".netrc").mkdir()  # no permission can be taken from root
    assert found(index.url, HOME=str(tmp_path)) == f"{index.url}/simple/foo/{FILE}"
