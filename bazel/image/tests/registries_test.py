"""What registries want and refuse: logins, artifacts, and answers that are no answers."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bazel.image.base import processes
from bazel.image.oci.artifacts import referrers_tag
from bazel.image.oci.layout import Image, Json
from bazel.image.registry import registry as embedded
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, SMALL, environment, get, program

DIGEST = Image(SMALL).digest
BESIDE = referrers_tag(DIGEST)
# docker-registry knows bcrypt alone, and Python does not.
USER, WORD = "user", "pass word:1"
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuusWsnA3PCG6MJhsuMdaZgkE21cQMslZi\n"
AUTH = {"auth": base64.b64encode(f"{USER}:{WORD}".encode()).decode()}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    env = environment(tmp_path) | {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    return env | {"PATH": f"{tmp_path}:{env['PATH']}", "COSIGN_PASSWORD": "a word"}


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of a registry that wants a login."""
    port = embedded.free_port()
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    config: Json = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "locked")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    command: list[str | Path] = [runtime.tool("docker-registry"), "serve", tmp_path / "config.yml"]
    with processes.running(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not wants_a_login(port):
            time.sleep(0.02)
        yield f"localhost:{port}"


def wants_a_login(port: int) -> bool:
    try:
        get(f"http://127.0.0.1:{port}/v2/")
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return False


def docker_config(home: dict[str, str], config: Json) -> Path:
    file = Path(home["HOME"], ".docker", "config.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(config))
    return file


def helper(home: dict[str, str], name: str, script: str) -> None:
    path = Path(home["HOME"], f"docker-credential-{name}")
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


# Logins


def test_every_login_of_docker(home: dict[str, str], locked: str) -> None:
    answer = json.dumps({"Username": USER, "Secret": WORD})
    helper(home, "fake", f"[ $(cat) = {locked} ] && echo '{answer}'")
    for config in (
        {"auths": {locked: AUTH}},
        {"auths": {locked: {"username": USER, "password": WORD}}},
        {"auths": {f"http://{locked}/v2/": AUTH}},
        {"auths": {locked: {}}, "credsStore": "fake"},
        {"credHelpers": {locked: "fake"}},
    ):
        docker_config(home, config)
        to = f"{locked}/team/name"
        pushed = program("small_push", "-r", to, "--tag=v1", "--no-bills", env=home)
        assert pushed.returncode == 0, (config, pushed.stderr)
        read = program("verify", f"{to}:v1", env=home)
        assert f"image      {to}@{DIGEST}" in read.stdout.splitlines(), (config, read.stderr)


def test_a_push_without_a_login_says_where_it_looked(home: dict[str, str], locked: str) -> None:
    to = f"{locked}/team/name"
    unreadable = Path(home["XDG_RUNTIME_DIR"], "containers", "auth.json")
    unreadable.mkdir(parents=True)  # nobody reads that, root neither
    file = docker_config(home, {"auths": {locked: {}}, "credsStore": "absent"})
    for command in (("small_push", "-r", to), ("verify", f"{to}@{DIGEST}")):
        refused = program(*command, env=home)
        assert refused.returncode == 1
        assert "unauthorized" in refused.stderr
        said = refused.stderr.splitlines()
        assert f"{unreadable} cannot be read (Is a directory): it was passed over." in said
        absent = f"docker-credential-absent, which {file} names, is not on your PATH"
        assert f"{absent}: it was passed over." in said
        assert said[-1].startswith(f"No login is in {unreadable} or ")
        assert said[-1].endswith(f"`docker login {locked}` or `skopeo login {locked}` makes one.")
        assert "Traceback" not in refused.stderr
    docker_config(home, {"auths": {locked: {"username": USER, "password": "another"}}})
    refused = program("small_push", "-r", to, env=home)
    assert f"The login of {file} was not enough for {locked}: " in refused.stderr
    docker_config(home, {"auths": {locked: AUTH}})
    assert program("small_push", "-r", to, env=home).returncode == 0


def test_a_chosen_file_without_a_login_is_all_that_counts(
    home: dict[str, str], locked: str, tmp_path: Path
) -> None:
    docker_config(home, {"auths": {locked: AUTH}})
    chosen = tmp_path / "chosen" / "config.json"
    chosen.parent.mkdir()
    chosen.write_text('{"auths": {}}')
    words = ["small_push", "-r", f"{locked}/team/name", "--no-bills"]
    for more, variables in (
        ([f"--authfile={chosen}"], {}),
        ([], {"REGISTRY_AUTH_FILE": str(chosen)}),
        ([], {"DOCKER_CONFIG": str(chosen.parent)}),
    ):
        refused = program(*words, *more, env=home | variables)
        assert (refused.returncode, refused.stdout) == (1, ""), (more, variables)
        assert f"No login is in {chosen} for {locked}: " in refused.stderr
    assert program(*words, env=home).returncode == 0
    half = program(*words, f"--dest-password={WORD}", env=home)
    assert (half.returncode, half.stdout) == (1, "")
    assert "a password is given without a user: --dest-username=USER names one" in half.stderr
    assert "Traceback" not in half.stderr


def test_the_embedded_registry_asks_nobody_for_a_login(home: dict[str, str]) -> None:
    Path(home["XDG_RUNTIME_DIR"], "containers", "auth.json").mkdir(parents=True)
    asked = Path(home["HOME"], "asked")
    helper(home, "fake", f"touch {asked}; exit 1")
    docker_config(home, {"credsStore": "fake"})
    pushed = program("small_push", env=home)
    assert pushed.returncode == 0, pushed.stderr
    verified = program("verify", env=home)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert not asked.exists()


# Registries that refuse


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on, but for those that `answer` answers: with a status and a code."""

    protocol_version = "HTTP/1.1"
    behind: int
    answer: Callable[[str, str, bytes], tuple[int, str] | None]

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def handle_request(self) -> None:
        data = self.body()
        if refusal := type(self).answer(self.command, self.path, data):
            status, code = refusal
            answer = json.dumps({"errors": [{"code": code, "message": "not here"}]}).encode()
            headers = [("Content-Type", "application/json")]
        else:
            behind = http.client.HTTPConnection("127.0.0.1", self.behind)
            dropped = ("transfer-encoding", "content-length", "connection")
            behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in dropped:
                    behind.putheader(name, value)
            behind.putheader("Content-Length", str(len(data)))
            behind.endheaders(data)
            response = behind.getresponse()
            status, answer = response.status, response.read()
            headers = [(k, v) for k, v in response.getheaders() if k.lower() not in dropped]
            if self.command == "HEAD":
                headers.append(("Content-Length", response.getheader("Content-Length", "0")))
            behind.close()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request  # noqa: N815


@contextmanager
def proxy(
    storage: Path, answer: Callable[[str, str, bytes], tuple[int, str] | None]
) -> Iterator[str]:
    """HOST:PORT of a registry over a folder that answers some requests so."""
    with runtime.registry(storage) as behind:
        handler = type("Handler", (Proxy,), {"behind": behind, "answer": staticmethod(answer)})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"localhost:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def artifacts(status: int, code: str) -> Callable[[str, str, bytes], tuple[int, str] | None]:
    """Answers so to a manifest that refers to an image."""

    def answer(method: str, path: str, data: bytes) -> tuple[int, str] | None:
        return (status, code) if method == "PUT" and b'"subject"' in data else None

    return answer


def tags(storage: Path) -> set[str]:
    return {path.name for path in storage.glob("**/_manifests/tags/*")}


@pytest.fixture
def key(home: dict[str, str]) -> str:
    made = program("../attest/keygen", f"{home['HOME']}/mine", env=home)
    assert made.returncode == 0, made.stderr
    return f"{home['HOME']}/mine.key"


@pytest.mark.parametrize(("status", "code"), [(400, "MANIFEST_INVALID"), (415, "UNSUPPORTED")])
def test_a_registry_without_artifacts_gets_the_image(
    home: dict[str, str], tmp_path: Path, status: int, code: str
) -> None:
    with proxy(tmp_path / "storage", artifacts(status, code)) as host:
        pushed = program("small_push", "-r", f"{host}/team/name", "--tag=v1", env=home)
    assert pushed.returncode == 0, pushed.stderr
    assert f"pushed   {host}/team/name@{DIGEST}" in pushed.stdout
    assert "beside   nothing: the registry refuses it" in pushed.stdout.splitlines()
    assert pushed.stderr.startswith("warning: the image is pushed, its bills of materials and ")
    assert code.lower().replace("_", " ") in pushed.stderr
    assert pushed.stderr.endswith("`-- --no-bills` leaves them out.\n")
    assert tags(tmp_path / "storage") == {"v1"}


def test_only_the_image_is_signed_where_bills_are_refused(
    home: dict[str, str], tmp_path: Path, key: str
) -> None:
    with proxy(tmp_path / "storage", artifacts(400, "MANIFEST_INVALID")) as host:
        to = f"{host}/team/name"
        pushed = program("small_push", "-r", to, "--tag=v1", f"--sign-key={key}", env=home)
        verified = program("verify", f"--key={tmp_path}/mine.pub", f"{to}:v1", env=home)
    assert pushed.returncode == 0, pushed.stderr
    assert f"signed   by mine.key, the image alone: {to}:{BESIDE}.sig" in pushed.stdout
    assert tags(tmp_path / "storage") == {"v1", f"{BESIDE}.sig"}
    assert "signature  of the image: by mine.pub" in verified.stdout.splitlines()


def test_bills_are_left_out_if_one_says_so(home: dict[str, str], tmp_path: Path, key: str) -> None:
    with runtime.registry(tmp_path / "storage") as port:
        to = f"localhost:{port}/team/name"
        words = ["-r", to, "--tag=v1", "--no-bills", f"--sign-key={key}"]
        pushed = program("small_push", *words, env=home)
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stderr == ""
    assert "beside   nothing: --no-bills" in pushed.stdout.splitlines()
    assert f"signed   by mine.key, the image alone: {to}:{BESIDE}.sig" in pushed.stdout
    assert tags(tmp_path / "storage") == {"v1", f"{BESIDE}.sig"}


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(403, "DENIED", "No login is in "), (500, "UNKNOWN", "500 Internal Server Error")],
)
def test_another_failure_beside_the_image_is_one(
    home: dict[str, str], tmp_path: Path, status: int, code: str, said: str
) -> None:
    with proxy(tmp_path / "storage", artifacts(status, code)) as host:
        pushed = program("small_push", "-r", f"{host}/team/name", "--tag=v1", env=home)
    assert (pushed.returncode, pushed.stdout) == (1, "")
    there = f"{host}/team/name@{DIGEST} is pushed, what is told beside it is not: "
    assert pushed.stderr.startswith(f"paddle_images: {there}")
    assert said in pushed.stderr
    assert tags(tmp_path / "storage") == {"v1"}


@pytest.mark.parametrize(("status", "code"), [(500, "UNKNOWN"), (401, "UNAUTHORIZED")])
def test_signatures_that_cannot_be_read_stay(
    home: dict[str, str], tmp_path: Path, key: str, status: int, code: str
) -> None:
    """Though a text with 404 stands in the answer, and elsewhere."""
    other = program("../attest/keygen", f"{tmp_path}/other", env=home)
    assert other.returncode == 0, other.stderr
    broken = False

    def answer(method: str, path: str, data: bytes) -> tuple[int, str] | None:
        return (status, code) if broken and method == "GET" and path.endswith(".sig") else None

    with proxy(tmp_path / "storage", answer) as host:
        to = f"{host}/team/404-not-found"
        words = ["-r", to, "--tag=v1"]
        first = program("small_push", *words, f"--sign-key={tmp_path}/other.key", env=home)
        assert first.returncode == 0, first.stderr
        broken = True
        second = program("small_push", *words, f"--sign-key={key}", env=home)
        broken = False
        kept = program("verify", f"--key={tmp_path}/other.pub", f"{to}:v1", env=home)
    assert (second.returncode, second.stdout) == (1, "")
    assert f"{to}@{DIGEST} is pushed and not signed: " in second.stderr
    assert kept.returncode == 0, kept.stdout + kept.stderr


def test_no_key_where_one_is_named(home: dict[str, str], tmp_path: Path) -> None:
    del home["COSIGN_PASSWORD"]
    pushed = program("small_push", f"--sign-key={tmp_path}/absent.key", env=home)
    assert (pushed.returncode, pushed.stdout) == (1, "")
    assert pushed.stderr == (
        f"paddle_images: --sign-key {tmp_path}/absent.key: there is no such file. "
        "`./bazelw run //images:keygen -- NAME` makes a key, NAME.key.\n"
    )


# The embedded registry


def test_a_full_disk_is_told(home: dict[str, str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    size = Image(SMALL).compressed_size // 2
    box = [runtime.tool("bwrap"), "--bind", "/", "/", "--dev-bind", "/dev", "/dev"]
    box += ["--size", size, "--tmpfs", cache, "--setenv", "PADDLE_IMAGES_CACHE", cache]
    command = [str(word) for word in [*box, HERE / "small_push"]]
    full = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
    assert (full.returncode, full.stdout) == (1, "")
    assert f"\n{cache}/registry has 0 MB left, and the image takes up to 4 MB: " in full.stderr
    assert "set PADDLE_IMAGES_CACHE to a folder on another disk." in full.stderr


def test_a_port_that_is_none(home: dict[str, str]) -> None:
    for value in ("http", "-1", "70000", ""):
        pushed = program("small_push", env=home | {"PADDLE_IMAGES_REGISTRY_PORT": value})
        assert pushed.returncode == 1
        assert pushed.stderr == (
            f"paddle_images: PADDLE_IMAGES_REGISTRY_PORT: {value!r} is not a port. "
            "Unset it for 5000.\n"
        )
    refused = program("registry", "--port=70000", env=home)
    assert refused.returncode == 2
    assert "argument --port: '70000' is not a port" in refused.stderr


def test_what_was_never_pushed_is_told(home: dict[str, str]) -> None:
    nothing = program("verify", env=home)
    assert nothing.returncode == 1
    target = "//bazel/image/tests:small"
    assert nothing.stdout.splitlines() == [
        f"image      {target} is not pushed: `./bazelw run {target}_push`",
        "NOT verified: see above",
    ]
    assert nothing.stderr == ""
    assert program("small_push", env=home).returncode == 0
    one = program("verify_both", env=home)
    assert one.returncode == 0, one.stdout + one.stderr
    target = "//bazel/image/tests:second"
    lines = one.stdout.splitlines()
    assert f"image      {target} is not pushed: `./bazelw run {target}_push`" in lines
    assert "rebuilt    //bazel/image/tests:small here: equal" in lines
    assert lines[-1] == "verified 1 of 2: the others are not pushed"
