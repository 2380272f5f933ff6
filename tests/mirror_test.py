"""What a user sees when a mirror fails them: the locks' promise that no wrong byte is used.

A real Bazel fetches through the project's own repository rules from a real
server on loopback, which misbehaves.
"""

import base64
import hashlib
import http.server
import importlib.metadata
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.launcher import fake_site, startup
from bazel.site.settings import Site

BAZEL = Path(os.environ["BAZEL"]).resolve()
BAZELISK = Path(os.environ["BAZELISK"]).resolve()
PYTHON = Path(os.environ["PYTHON_ROOT"]).resolve().parent
RULES = [Path(path) for path in os.environ["RULES"].split()]

pytestmark = pytest.mark.skipif(
    not BAZEL.stat().st_size,
    reason="needs a Bazel that brings its modules along, as that of `./bazelw test` does",
)

MODULE = """\
module(name = "paddle_images")
bazel_dep(name = "rules_python", version = "0.22.1")
bazel_dep(name = "rules_cc", version = "0.0.11")
bazel_dep(name = "bazel_skylib", version = "1.9.0")
bazel_dep(name = "platforms", version = "0.0.10")
debian = use_extension("//bazel/debian:extensions.bzl", "debian")
debian.lock(file = "//:debian_lock.json")
use_repo(debian, "debian")
pypi = use_extension("//bazel/pypi:extensions.bzl", "pypi")
pypi.lock(wheels = "//:wheels_lock.json")
use_repo(pypi, "pypi_greeting", "pypi_spoken")
local = use_repo_rule("@bazel_tools//tools/build_defs/repo:local.bzl", "local_repository")
local(name = "debian_python", path = "{python}")
"""


def deb(text: str) -> bytes:
    """A small .deb (deb(5)): an ar archive whose data.tar.xz holds one file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        member = tarfile.TarInfo("./usr/share/greeting")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    archive = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.xz", data.getvalue())):
        archive += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        archive += content + b"\n" * (len(content) % 2)
    return archive


def sdist() -> bytes:
    """An sdist of spoken 1.0 whose setup.py would fail if it were run."""
    files = {
        "PKG-INFO": "Metadata-Version: 1.1\nName: Spoken\nVersion: 1.0\n",
        "LICENSE": "free",
        "setup.py": "raise SystemExit('setup.py was run')",
        "spoken/__init__.py": "words = 2",
        "spoken/words.txt": "good morning",
        "test/test.py": "",
    }
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"Spoken-1.0/{path}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return body.getvalue()


SDIST = sdist()
DEB = deb("hello")
DEB_SHA256 = hashlib.sha256(DEB).hexdigest()
MACHINES = {
    f"/pool/{name}.deb": deb(name) for name in ("salute_amd64", "salute_arm64", "wave_arm64")
}
WHEEL = b"the bytes of greeting-1.0-py3-none-any.whl"
WHEEL_SHA256 = hashlib.sha256(WHEEL).hexdigest()
POOL = "/pool/main/g/greeting/greeting_1.0_all.deb"


class Mirror(http.server.ThreadingHTTPServer):
    """A mirror of Debian and PyPI that serves what a test puts into `files`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.login = ""  # "USER:PASSWORD", where one is asked for
        self.asked: list[str] = []
        self.sent: list[str] = []  # Authorization

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        mirror, sent = self.server, self.headers.get("Authorization", "")
        mirror.asked.append(self.path)
        mirror.sent.append(sent)
        content = mirror.files.get(self.path)
        if mirror.login and sent != "Basic " + base64.b64encode(mirror.login.encode()).decode():
            content = b""
            self.send_response(401)
        elif self.path in mirror.moved:
            self.send_response(302)
            self.send_header("Location", mirror.moved[self.path])
        else:
            self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving() -> Iterator[Mirror]:
    with Mirror() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    yield from serving()


other = mirror  # another host: as `localhost`, where the mirror is 127.0.0.1


class Workspace:
    """A workspace with this project's rules and two small locks."""

    def __init__(self, folder: Path, name: str = "s 检出") -> None:  # as users have them
        self.folder = folder / name
        self.root = folder / "bazel"
        for source in RULES:
            target = self.folder / source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (self.folder / "MODULE.bazel").write_text(MODULE.format(python=PYTHON))
        (self.folder / "BUILD.bazel").touch()
        package = {
            "name": "greeting",
            "version": "1.0",
            "arch": "all",
            "suite": "test",
            "pool": POOL.removeprefix("/pool/"),
            "sha256": DEB_SHA256,
            "sets": ["everything"],
        }
        machines = [
            {
                **package,
                "name": name,
                "arch": arch,
                "pool": pool.removeprefix("/pool/"),
                "sha256": hashlib.sha256(MACHINES[pool]).hexdigest(),
                "sets": [set_],
            }
            for name, arch, pool, set_ in (
                ("salute", "amd64", "/pool/salute_amd64.deb", "machine"),
                ("salute", "arm64", "/pool/salute_arm64.deb", "machine:arm64"),
                ("wave", "arm64", "/pool/wave_arm64.deb", "machine:arm64"),
            )
        ]
        self.write("debian_lock.json", {"packages": [package, *machines]})
        wheel = {
            "name": "greeting",
            "version": "1.0",
            "file": "greeting-1.0-py3-none-any.whl",
            "sha256": WHEEL_SHA256,
            "requires": [],
        }
        spoken = {
            "name": "spoken",
            "version": "1.0",
            "file": "Spoken-1.0.tar.gz",
            "sha256": hashlib.sha256(SDIST).hexdigest(),
            "requires": [],
        }
        self.write("wheels_lock.json", {"wheels": [wheel, spoken]})

    def write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(json.dumps(content))

    def bazel(self, *arguments: str, rc: str = os.devnull) -> subprocess.CompletedProcess[str]:
        startup = [f"--output_user_root={self.root}", "--max_idle_secs=30", f"--bazelrc={rc}"]
        return subprocess.run(
            [BAZEL, *startup, *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder.parent)},
            capture_output=True,
            text=True,
        )

    def fetch(
        self,
        target: str,
        mirror: str,
        cache: Path | None = None,
        flags: tuple[str, ...] = (),
        rc: str = os.devnull,
    ) -> subprocess.CompletedProcess[str]:
        # The launcher hands Bazel the site's mirrors in the same way.
        mirrors = (f"--repo_env=DEBIAN_MIRROR={mirror}", f"--repo_env=PYPI_INDEX={mirror}/simple")
        result = self.bazel(
            "build",
            "--lockfile_mode=off",
            *(mirrors if rc == os.devnull else ()),
            *("--spawn_strategy=local", "--noshow_progress", "--color=no"),
            f"--repository_cache={cache or ''}",
            "--experimental_repository_downloader_retries=0",
            *flags,
            target,
            rc=rc,
        )
        print(result.stderr)
        return result

    def rc(self, folder: Path, debian: str, pypi: str) -> str:
        """What the launcher writes for a site, but for the options that restart a server."""
        certificates = folder / "ca.pem"
        certificates.write_text(fake_site.PEM)
        site = Site((debian,), (), pypi, None, certificates)
        startup.write(folder / "site", folder, site, lambda line, passing: None, with_bazel=False)
        lines = (folder / "site/bazelrc").read_text().splitlines()
        rc = folder / "rc"
        rc.write_text("".join(line + "\n" for line in lines if not line.startswith("startup ")))
        return str(rc)

    def forget(self) -> None:
        """Drops what was fetched, so that the next build fetches again."""
        assert self.bazel("clean", "--expunge").returncode == 0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    yield workspace
    workspace.bazel("shutdown")


def test_the_right_bytes_are_used(workspace: Workspace, mirror: Mirror) -> None:
    mirror.files[POOL] = DEB
    result = workspace.fetch("@debian//:greeting", mirror.url)
    assert result.returncode == 0, result.stderr
    assert mirror.asked == [POOL]
    workspace.forget()


def test_packages_are_those_of_the_machine_that_is_built_for(
    workspace: Workspace, mirror: Mirror
) -> None:
    mirror.files |= MACHINES
    arm64 = ("--platforms=//bazel/platforms:linux_arm64",)
    assert workspace.fetch("@debian//:machine", mirror.url).returncode == 0
    assert mirror.asked == ["/pool/salute_amd64.deb"]
    assert workspace.fetch("@debian//:machine", mirror.url, flags=arm64).returncode == 0
    assert sorted(mirror.asked[1:]) == ["/pool/salute_arm64.deb", "/pool/wave_arm64.deb"]
    # One that only the other machine has is there by the name of that, and else told of.
    assert workspace.fetch("@debian//arm64:wave", mirror.url).returncode == 0
    alone = workspace.fetch("@debian//:wave", mirror.url)
    assert alone.returncode != 0
    assert "wave is locked for arm64 alone; `archs` in debian.yaml says so." in alone.stderr
    workspace.forget()


def test_wrong_bytes_of_a_package_are_refused(workspace: Workspace, mirror: Mirror) -> None:
    mirror.files[POOL] = bad = deb("hullo")
    result = workspace.fetch("@debian//:greeting", mirror.url)
    assert result.returncode != 0
    got = hashlib.sha256(bad).hexdigest()
    assert f"Checksum was {got} but wanted {DEB_SHA256}" in result.stderr
    assert "greeting 1.0 (pool/main/g/greeting/greeting_1.0_all.deb) cannot" in result.stderr
    assert "Take another mirror: `DEBIAN_MIRROR=" in result.stderr


def test_a_vanished_package_names_the_command_that_mends_it(
    workspace: Workspace, mirror: Mirror
) -> None:
    result = workspace.fetch("@debian//:greeting", mirror.url)
    assert result.returncode != 0
    assert "404 Not Found" in result.stderr.partition("cannot be fetched")[0]
    assert "greeting 1.0 (pool/main/g/greeting/greeting_1.0_all.deb) cannot" in result.stderr
    assert "`./bazelw run //:lock`" in result.stderr


def test_an_unreachable_mirror_is_named(workspace: Workspace) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = workspace.fetch("@debian//:greeting", url)
    assert result.returncode != 0
    assert url in result.stderr.partition("cannot be fetched")[0]
    assert "the mirror does not answer" in result.stderr
    assert "Set DEBIAN_MIRROR" in result.stderr


def test_no_mirror_says_what_to_set(workspace: Workspace) -> None:
    result = workspace.fetch("@debian//:greeting", "")
    assert result.returncode != 0
    assert "No Debian mirror is known" in result.stderr
    assert "set DEBIAN_MIRROR" in result.stderr


def test_bazel_gets_the_logins_and_the_proxy_of_the_site(
    workspace: Workspace, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files[f"http://debian.test{POOL}"] = DEB
    mirror.login = "user:p@ss"
    (tmp_path / "netrc").write_text("machine debian.test login user password p@ss\n")
    (tmp_path / "apt.conf").write_text(f'Acquire::http::Proxy "{mirror.url}";\n')
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    rc = workspace.rc(tmp_path, "http://debian.test", "http://pypi.test/simple")
    result = workspace.fetch("@debian//:greeting", "", rc=rc)
    assert result.returncode == 0, result.stderr
    assert mirror.asked == [f"http://debian.test{POOL}"]
    workspace.forget()


def test_wrong_bytes_of_a_wheel_are_refused(workspace: Workspace, mirror: Mirror) -> None:
    mirror.files["/simple/greeting/"] = b'<a href="../../files/greeting-1.0-py3-none-any.whl">x</a>'
    mirror.files["/files/greeting-1.0-py3-none-any.whl"] = bad = b"other bytes"
    result = workspace.fetch("@pypi_greeting//:library", mirror.url)
    assert result.returncode != 0
    got = hashlib.sha256(bad).hexdigest()
    assert f"Checksum was {got} but wanted {WHEEL_SHA256}" in result.stderr
    assert "greeting 1.0 (greeting-1.0-py3-none-any.whl) cannot be fetched" in result.stderr
    assert "Take another index: `PYPI_INDEX=" in result.stderr


def test_an_sdist_is_taken_as_it_stands(workspace: Workspace, mirror: Mirror) -> None:
    mirror.files["/simple/spoken/"] = b'<a href="../../files/Spoken-1.0.tar.gz">x</a>'
    mirror.files["/files/Spoken-1.0.tar.gz"] = SDIST
    result = workspace.fetch("@pypi_spoken//:library", mirror.url)
    assert result.returncode == 0, result.stderr
    (site,) = workspace.root.glob("*/external/*pypi_spoken/site-packages")
    assert sorted(str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()) == [
        "spoken-1.0.dist-info/LICENSE",
        "spoken-1.0.dist-info/METADATA",
        "spoken-1.0.dist-info/RECORD",
        "spoken/__init__.py",
        "spoken/__pycache__/__init__.cpython-311.pyc",
        "spoken/words.txt",
    ]
    (found,) = importlib.metadata.distributions(path=[str(site)])
    assert (found.metadata["Name"], found.version) == ("Spoken", "1.0")


def test_a_wheel_that_the_index_lacks_is_named(workspace: Workspace, mirror: Mirror) -> None:
    mirror.files["/simple/greeting/"] = b"<html></html>"
    result = workspace.fetch("@pypi_greeting//:library", mirror.url)
    assert result.returncode != 0
    assert "greeting-1.0-py3-none-any.whl is not on the index" in result.stderr
    assert "`./bazelw run //:lock`" in result.stderr


def test_an_unreachable_index_is_named(workspace: Workspace, mirror: Mirror) -> None:
    result = workspace.fetch("@pypi_greeting//:library", mirror.url)
    assert result.returncode != 0
    assert f"this index lacks it ({mirror.url}/simple/greeting/)" in result.stderr
    mirror.shutdown()
    mirror.server_close()
    result = workspace.fetch("@pypi_greeting//:library", mirror.url)
    assert f"{mirror.url}/simple/greeting/ does not open: [Errno 111]" in result.stderr
    assert "Set PYPI_INDEX to an index that works" in result.stderr


@pytest.mark.parametrize("way", ["url", "netrc"])
def test_a_wheel_behind_a_login(
    workspace: Workspace,
    mirror: Mirror,
    other: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    mirror.login = "user:p@ss"
    mirror.files["/simple/greeting/"] = b'<a href="../../files/greeting-1.0-py3-none-any.whl">x</a>'
    # The file itself is on another host, which must not learn the login.
    path = "/files/greeting-1.0-py3-none-any.whl"
    mirror.moved[path] = f"http://localhost:{other.server_port}/wheel"
    other.files["/wheel"] = WHEEL
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password p@ss\n")
    monkeypatch.setenv("HOME", str(tmp_path if way == "netrc" else tmp_path / "nowhere"))
    url = mirror.url if way == "netrc" else mirror.url.replace("//", "//user:p%40ss@")
    rc = workspace.rc(tmp_path, url, f"{url}/simple")
    # These bytes are no archive: that it is unpacked means that it was fetched.
    library = workspace.fetch("@pypi_greeting//:library", "", rc=rc)
    assert "greeting-1.0-py3-none-any.whl cannot be fetched" not in library.stderr
    assert mirror.asked == ["/simple/greeting/", path]
    assert (other.asked, other.sent) == (["/wheel"], [""])
    assert "p@ss" not in library.stderr and "p%40ss" not in library.stderr


def test_another_bazel_that_bazelisk_starts_is_told_the_site(tmp_path: Path) -> None:
    mirror = fake_site.Mirror()
    mirror.files[f"/debian{POOL}"] = DEB
    checkout = fake_site.Checkout(tmp_path, mirror)
    workspace = Workspace(tmp_path, checkout.folder.name)
    for path in (".bazeliskrc", "tools/bazel"):
        (workspace.folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(path, workspace.folder / path)
    plain = tmp_path / "plain"
    place = f"--output_user_root={workspace.root} --max_idle_secs=30"
    # As near to a release as can be had here: a Bazel that has only its modules.
    plain.write_text(f'#!/bin/sh\nexec {BAZEL} {place} "$@"\n')
    plain.chmod(0o755)
    env = {**checkout.env, "USE_BAZEL_VERSION": str(plain)}

    def bazel(*arguments: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [BAZELISK, *arguments]
        return subprocess.run(
            command, cwd=workspace.folder, env=env, capture_output=True, text=True
        )

    options = "--lockfile_mode=off --repository_cache= --noshow_progress --color=no"
    try:
        done = bazel("build", *options.split(), "@debian//:greeting")
        assert done.returncode == 0, done.stderr
        assert mirror.requests[-1] == f"/debian{POOL}"
        assert bazel("build", "//nothing").returncode == 1
    finally:
        bazel("shutdown")
        mirror.close()


def test_a_corrupted_cache_is_not_believed(
    workspace: Workspace, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.files[POOL] = DEB
    workspace.forget()
    assert workspace.fetch("@debian//:greeting", mirror.url, tmp_path).returncode == 0
    (cached,) = tmp_path.rglob(f"{DEB_SHA256}/file")
    cached.write_bytes(b"x" * len(DEB))

    workspace.forget()
    result = workspace.fetch("@debian//:greeting", mirror.url, tmp_path)
    # Whether Bazel fetches again or stops: the wrong bytes are not used.
    if result.returncode == 0:
        assert mirror.asked == [POOL, POOL]
        used = next(workspace.root.glob("*/external/*/greeting.deb"))
        assert used.read_bytes() == DEB
    else:
        assert "hecksum" in result.stderr or "wrong bytes" in result.stderr
