"""./bazelw from an empty home to a running Bazel, against a mirror on loopback."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.launcher import forky, launcher, startup
from bazel.launcher.fake_site import PEM, Checkout, Mirror, deb, jar
from bazel.site.messages import Problem


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    served = Mirror()
    yield served
    served.close()


@pytest.fixture
def checkout(tmp_path: Path, mirror: Mirror) -> Checkout:
    return Checkout(tmp_path, mirror)


def test_first_and_later_starts(checkout: Checkout, mirror: Mirror) -> None:
    first = checkout.run("build", "a b", "", "*", "7")
    assert first.returncode == 7, first.stderr
    assert f"Bazel 7.7.1 ready (first start: {len(forky.WANTED)} packages" in first.stderr
    (prefix,) = checkout.cache.glob("bazel-*")
    (folder,) = prefix.glob("site-*")
    arguments = ["--nosystem_rc", f"--bazelrc={folder}/bazelrc", "build", "a b", "", "*", "7"]
    assert first.stdout.splitlines() == [
        f"DEBIAN_MIRROR {mirror.url}/debian",
        f"PYPI_INDEX {mirror.url}/pypi/simple",
        f"NPM_REGISTRY {mirror.url}/npm",
        f"user {getpass.getuser()}, home {checkout.env['HOME']}, cache ",
        *[f"argument [{argument}]" for argument in arguments],
    ]
    mirror.close()
    later = checkout.run("0")
    assert (later.returncode, later.stderr) == (0, "")
    assert {path.name for path in checkout.cache.iterdir()} == {"lock", prefix.name}
    assert len(json.loads((prefix / "packages.json").read_text())) == len(forky.WANTED)


def test_what_is_installed(checkout: Checkout, mirror: Mirror) -> None:
    assert checkout.run("0").returncode == 0
    (prefix,) = checkout.cache.glob("bazel-*")
    listing = prefix / "usr/share/bazel/bazel_classpath_debian_depends.txt"
    jars = [f"{prefix}/usr/share/java/{name}.jar" for name in ("a", "b", "bazel-lib")]
    assert listing.read_text().split("\n")[:-1] == jars
    assert (prefix / "usr/share/java/b.jar").readlink() == Path("bazel-rules-pkg.jar")
    assert os.access(prefix / "java/bin/java", os.X_OK)
    libc = (prefix / "usr/lib/x86_64-linux-gnu/libc.so.6").read_bytes()
    assert libc == b"ANSI_X3.4-1968//\0ISO-8859-1\0\0\0\0\0ISO-8859-1"
    assert not (prefix / "usr/share/doc").exists()
    (rc,) = prefix.glob("site-*/bazelrc")
    lines = rc.read_text().splitlines()
    assert f'common "--repo_env=DEBIAN_MIRROR={mirror.url}/debian"' in lines
    assert f'common "--override_module=core={prefix}/usr/share/bazel/rules/core"' in lines
    assert not [line for line in lines if "--override_module=lib=" in line]


def test_registry(checkout: Checkout) -> None:
    assert checkout.run("0").returncode == 0
    (prefix,) = checkout.cache.glob("bazel-*")
    modules = prefix / "registry/modules"
    found = {str(file.parent.relative_to(modules)) for file in modules.glob("*/*/source.json")}
    assert found == {"core/1", "lib/1", "used/1.2"}
    source = {"type": "local_path", "path": f"{prefix}/usr/share/bazel/tools/lib"}
    assert json.loads((modules / "lib/1/source.json").read_text()) == source
    text = (modules / "lib/1/MODULE.bazel").read_text()
    assert 'version = "1"' in text and "0.0.0" not in text and "compatibility_level = 1" in text


def test_changed_site(checkout: Checkout, mirror: Mirror) -> None:
    assert checkout.run("0").returncode == 0
    count = len(mirror.requests)
    assert "PYPI_INDEX http://pypi.test" in checkout.run("0", PYPI_INDEX="http://pypi.test").stdout
    Path(checkout.env["SSL_CERT_FILE"]).write_text(PEM * 2)
    assert checkout.run("0").returncode == 0
    assert len(mirror.requests) == count
    assert len(list(checkout.cache.glob("bazel-*/site-*"))) == 3


def test_credentials(checkout: Checkout, mirror: Mirror) -> None:
    with_credentials = mirror.url.replace("//", "//user:p%40ss@")
    mirror.password = base64.b64encode(b"user:p@ss").decode()
    assert "cannot be fetched" in checkout.fails(DEBIAN_MIRROR=mirror.url)
    env = {
        "DEBIAN_MIRROR": f"{with_credentials}/debian",
        "NPM_REGISTRY": f"{with_credentials}/npm",
    }
    done = checkout.run("0", **env)
    assert done.returncode == 0, done.stderr
    assert f"NPM_REGISTRY {with_credentials}/npm\n" in done.stdout
    (folder,) = checkout.cache.glob("bazel-*/site-*")
    lines = (folder / "bazelrc").read_text().splitlines()
    assert f'common "--repo_env=NPM_REGISTRY={mirror.url}/npm"' in lines
    helper = folder / "credentials-127.0.0.1"
    assert f'common "--credential_helper=127.0.0.1={helper}"' in lines
    assert helper.stat().st_mode & 0o777 == 0o700
    request = f'{{"uri":"{mirror.url}/debian/pool/a.deb"}}'.encode()
    answer = subprocess.run([helper, "get"], input=request, capture_output=True, check=True).stdout
    assert json.loads(answer) == {"headers": {"Authorization": [f"Basic {mirror.password}"]}}


def test_netrc(checkout: Checkout, mirror: Mirror) -> None:
    mirror.password = base64.b64encode(b"user:p@ss").decode()
    netrc = Path(checkout.env["HOME"], ".netrc")
    netrc.write_text("machine 127.0.0.1 login user password p@ss\n")
    netrc.chmod(0o600)
    assert checkout.run("0").returncode == 0


@pytest.mark.parametrize(
    "host", ["http://nexus.test/", "nexus.test:8081", "my_host", "-a.test", "a..test", "::1"]
)
def test_a_host_that_bazel_cannot_name_stops_nobody(checkout: Checkout, host: str) -> None:
    netrc = Path(checkout.env["HOME"], ".netrc")
    netrc.write_text(f"machine {host} login a password b\nmachine b.test login a password b\n")
    done = checkout.run("0")
    assert done.returncode == 0, done.stderr
    (rc,) = checkout.cache.glob("bazel-*/site-*/bazelrc")
    options = [line for line in rc.read_text().splitlines() if "--credential_helper=" in line]
    assert [option.split("=")[1] for option in options] == ["b.test"]


def test_wrong_bytes(checkout: Checkout, mirror: Mirror) -> None:
    path = checkout.pool("bazel-lib")
    good, mirror.files[path] = mirror.files[path], b"something else"
    error = checkout.fails()
    assert "bazel-lib 1: the mirror sent wrong bytes" in error
    assert hashlib.sha256(good).hexdigest() in error
    assert hashlib.sha256(b"something else").hexdigest() in error
    assert "DEBIAN_MIRROR=" in error
    mirror.files[path] = good
    mirror.requests.clear()
    assert checkout.run("0").returncode == 0


def test_wrong_bytes_of_npm(checkout: Checkout, mirror: Mirror) -> None:
    mirror.files["/npm/@bazel/bazelisk/-/bazelisk-1.28.1.tgz"] += b"!"
    assert "@bazel/bazelisk 1.28.1: the mirror sent wrong bytes" in checkout.fails()


def test_download_spoilt_on_disk(checkout: Checkout) -> None:
    downloads = checkout.cache / "downloads"
    downloads.mkdir(parents=True)
    (downloads / checkout.packages[0]["sha256"]).write_bytes(b"truncated")
    assert checkout.run("0").returncode == 0


def test_second_mirror_and_redirection(checkout: Checkout, mirror: Mirror) -> None:
    mirrors = f"{mirror.url}/empty {mirror.url}/moved/debian"
    done = checkout.run("0", DEBIAN_MIRROR=mirrors)
    assert done.returncode == 0, done.stderr
    assert f"DEBIAN_MIRROR {mirrors}" in done.stdout


def test_unreachable_mirror(checkout: Checkout, mirror: Mirror) -> None:
    mirror.close()
    error = checkout.fails(DEBIAN_MIRROR=checkout.env["DEBIAN_MIRROR"].replace("//", "//u:secret@"))
    assert "cannot be fetched" in error and "Connection refused" in error
    assert "DEBIAN_MIRROR=" in error and "HTTPS_PROXY" in error
    assert "secret" not in error


@pytest.mark.parametrize("setting", ["NPM_REGISTRY", "DEBIAN_MIRROR", "http_proxy"])
def test_a_password_that_is_not_escaped(checkout: Checkout, setting: str) -> None:
    checkout.env.pop("no_proxy")
    error = checkout.fails(**{setting: "http://user:pa/ss@127.0.0.1/x"})
    assert "`/` as %2F" in error
    assert "ss@" not in error and "'pa'" not in error


def test_proxy(checkout: Checkout, mirror: Mirror) -> None:
    env = {"DEBIAN_MIRROR": "http://debian.invalid/debian", "http_proxy": mirror.url}
    mirror.files.update(
        {f"http://debian.invalid{path}": body for path, body in mirror.files.items()}
    )
    done = checkout.run("0", **env, no_proxy="127.0.0.1")
    assert done.returncode == 0, done.stderr
    assert "http://debian.invalid" + checkout.pool("bazel-lib") in mirror.requests


def test_vanished_version(checkout: Checkout, mirror: Mirror) -> None:
    del mirror.files[checkout.pool("bazel-lib")]
    newer = mirror.add_package("bazel-lib", "2", deb({"usr/share/java/bazel-lib.jar": jar()}))
    others = [p for p in checkout.packages if p["name"] != "bazel-lib"]
    mirror.add_index([*others, newer])
    done = checkout.run("0")
    assert done.returncode == 0, done.stderr
    assert "bazel-lib 1 is not on the mirror any more" in done.stderr
    assert "1 packages differ from the lock: bazel-lib 1 -> 2." in done.stderr
    (installed,) = checkout.cache.glob("bazel-*/packages.json")
    assert newer in json.loads(installed.read_text())


def test_locked_start_stays_in_its_lock(checkout: Checkout, mirror: Mirror) -> None:
    del mirror.files[checkout.pool("bazel-lib")]
    newer = mirror.add_package("bazel-lib", "2", deb({"usr/share/java/bazel-lib.jar": jar()}))
    others = [p for p in checkout.packages if p["name"] != "bazel-lib"]
    mirror.add_index([*others, newer])
    mirror.requests.clear()
    error = checkout.fails(PADDLE_IMAGES_LOCKED="1")
    assert "bazel-lib 1 of Bazel's lock is not on the mirror any more" in error
    assert "`PADDLE_IMAGES_LOCKED=0 ./bazelw run //:lock launcher`" in error
    assert not [path for path in mirror.requests if "/dists/" in path]
    assert checkout.run("0", PADDLE_IMAGES_LOCKED="0").returncode == 0


def test_expired_index_is_not_resolved_from(checkout: Checkout, mirror: Mirror) -> None:
    del mirror.files[checkout.pool("bazel-lib")]
    newer = mirror.add_package("bazel-lib", "2", deb({"usr/share/java/bazel-lib.jar": jar()}))
    others = [p for p in checkout.packages if p["name"] != "bazel-lib"]
    mirror.add_index([*others, newer], "Thu, 01 Jan 2015 00:00:00 UTC")
    error = checkout.fails()
    assert "InRelease was to be used until Thu, 01 Jan 2015 00:00:00 UTC" in error
    assert "`PADDLE_IMAGES_ALLOW_EXPIRED=1 ./bazelw" in error
    assert checkout.run("0", PADDLE_IMAGES_ALLOW_EXPIRED="1").returncode == 0


def test_a_mirror_that_is_down_does_not_make_a_package_gone(
    checkout: Checkout, mirror: Mirror
) -> None:
    mirror.add_index(checkout.packages)
    mirrors = f"{mirror.url}/empty http://127.0.0.1:9/debian"
    error = checkout.fails(DEBIAN_MIRROR=mirrors)
    assert "cannot be fetched: http://127.0.0.1:9/debian/pool/" in error
    assert "not on the mirror any more" not in error


def test_vanished_and_nothing_to_resolve(checkout: Checkout, mirror: Mirror) -> None:
    del mirror.files[checkout.pool("bazel-lib")]
    assert "newer ones cannot be resolved from its index of Debian forky" in checkout.fails()


def test_vanished_major_version(checkout: Checkout, mirror: Mirror) -> None:
    del mirror.files[checkout.pool("bazel-lib")]
    newer = mirror.add_package("bazel-bootstrap", "8.1.0+ds-1", deb({}))
    others = [p for p in checkout.packages if p["name"] != "bazel-bootstrap"]
    mirror.add_index([*others, newer])
    error = checkout.fails()
    assert "no longer has Bazel 7.7.1; it has 8.1.0" in error
    assert "USE_BAZEL_VERSION" in error


def test_a_new_major_version_is_nothing_to_who_takes_another_bazel(
    checkout: Checkout, mirror: Mirror
) -> None:
    gone = [p for p in checkout.packages if p["name"] in ("python3-pip", "bazel-bootstrap")]
    pip = mirror.add_package("python3-pip", "2", mirror.files.pop(checkout.pool("python3-pip")))
    newer = mirror.add_package("bazel-bootstrap", "8.1.0+ds-1", deb({}))
    mirror.add_index([*(p for p in checkout.packages if p not in gone), pip, newer])
    assert "it has 8.1.0" in checkout.fails()
    done = checkout.run("build", USE_BAZEL_VERSION="7.7.1")
    assert done.stdout.startswith("bazelisk 7.7.1 "), done.stderr


def test_killed_and_started_again(checkout: Checkout, mirror: Mirror) -> None:
    slow = checkout.pool("bazel-lib")
    mirror.stalled.add(slow)
    process = checkout.popen("0")
    downloads = checkout.cache / "downloads"
    whole = {p["sha256"] for p in checkout.packages if p["name"] != "bazel-lib"}
    deadline = time.monotonic() + 60
    while not downloads.exists() or not whole <= {p.name for p in downloads.iterdir()}:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(checkout.cache.glob("new-*")) and not list(checkout.cache.glob("bazel-*"))
    mirror.stalled.clear()
    mirror.requests.clear()
    assert checkout.run("0").returncode == 0
    assert [path for path in mirror.requests if "/pool/" in path] == [slow]
    assert not list(checkout.cache.glob("new-*"))


def test_a_file_that_a_killed_start_left_stops_nobody(checkout: Checkout) -> None:
    checkout.cache.mkdir(parents=True)
    (checkout.cache / "new-mirrors-1").touch()
    done = checkout.run("0")
    assert done.returncode == 0, done.stderr
    assert not list(checkout.cache.glob("new-*"))


def test_two_starts_at_once(checkout: Checkout, mirror: Mirror) -> None:
    mirror.stalled.add(checkout.pool("bazel-lib"))
    first = checkout.popen("3")
    while checkout.pool("bazel-lib") not in mirror.requests:
        time.sleep(0.01)
    second = checkout.popen("4")
    assert second.stderr
    assert "another start is preparing Bazel; waiting" in second.stderr.readline()
    mirror.stalled.clear()
    first.communicate(timeout=300)
    second.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (3, 4)
    assert len(mirror.requests) == len(set(mirror.requests))


def test_too_small_disk(checkout: Checkout) -> None:
    checkout.packages[0]["size"] = 10**18
    checkout.write_lock()
    error = checkout.fails()
    assert "the disk is full: Bazel needs" in error and "PADDLE_IMAGES_CACHE=" in error


def test_disk_full_while_unpacking(checkout: Checkout, mirror: Mirror) -> None:
    # The kernel refuses to write a file larger than this.
    big = mirror.add_package("bazel-lib", "2", deb({"usr/share/java/z.jar": bytes(1 << 20)}))
    checkout.packages = [big if p["name"] == "bazel-lib" else p for p in checkout.packages]
    checkout.write_lock()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
    try:
        error = checkout.fails()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "the disk is full: Bazel needs" in error
    assert not list(checkout.cache.glob("new-*"))
    assert checkout.run("0").returncode == 0


def test_unusable_cache(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = checkout.fails(PADDLE_IMAGES_CACHE=str(tmp_path / "file/cache"))
    assert "cannot be written: Not a directory" in error
    assert "PADDLE_IMAGES_CACHE=/FOLDER" in error


def test_moved_cache(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run("0").returncode == 0
    moved = tmp_path / "elsewhere"
    checkout.cache.parent.rename(moved)
    again = checkout.run("0", PADDLE_IMAGES_CACHE=str(moved))
    assert again.returncode == 0, again
    says, ready = again.stderr.splitlines()
    assert f"this cache was moved or copied from {checkout.cache}; Bazel is installed" in says
    assert "Bazel 7.7.1 ready" in ready
    (rc,) = [rc for rc in moved.glob("launcher/*/site-*/bazelrc") if str(moved) in rc.read_text()]
    assert str(checkout.cache) not in rc.read_text()
    assert checkout.run("0", PADDLE_IMAGES_CACHE=str(moved)).stderr == ""


def test_missing_home(checkout: Checkout, tmp_path: Path) -> None:
    cache = tmp_path / "c d"
    done = checkout.run("0", HOME="/nonexistent/home", PADDLE_IMAGES_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    assert f"home /nonexistent/home, cache {cache}\n" in done.stdout


def test_bazel_of_the_users_choice(checkout: Checkout, mirror: Mirror) -> None:
    done = checkout.run("build", USE_BAZEL_VERSION="7.7.1")
    (folder,) = checkout.cache.glob("bazelisk-*/site-*")
    assert done.stdout == f"bazelisk 7.7.1 --bazelrc={folder}/bazelrc build\n"
    assert len([path for path in mirror.requests if "/pool/" in path]) == 3
    assert "--repo_env=PYPI_INDEX=" in (folder / "bazelrc").read_text()


def test_bazelw_inside_of_bazelw(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.run("0", USE_BAZEL_VERSION=f"{tmp_path}/launcher/bazel-0/site-0/bazel")
    assert done.returncode == 0, done.stderr
    assert list(checkout.cache.glob("bazel-*"))


def test_settings_of_the_callers_python_are_not_for_what_rules_run(checkout: Checkout) -> None:
    done = checkout.run("0", PYTHONSAFEPATH="1", PYTHONPATH="/nowhere", PYTHONHOME="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "settings came along" not in done.stdout


def test_unused_bazels_are_removed(checkout: Checkout) -> None:
    for name, days in (("bazel-old", 31), ("bazel-new", 29)):
        (checkout.cache / name).mkdir(parents=True)
        then = time.time() - days * 24 * 3600
        os.utime(checkout.cache / name, (then, then))
    assert checkout.run("0").returncode == 0
    assert not (checkout.cache / "bazel-old").exists()
    assert (checkout.cache / "bazel-new").exists()


def test_damaged_lock(checkout: Checkout) -> None:
    lock = checkout.folder / "bazel/launcher/launcher_lock.json"
    lock.write_text("<<<<<<< HEAD\n")
    assert "launcher_lock.json is damaged (Expecting value" in checkout.fails()


def test_unsupported_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = os.uname_result(("Linux", "host", "6.1", "1", "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: other)
    with pytest.raises(SystemExit):
        launcher.check_machine()
    assert "this machine is Linux on aarch64" in capsys.readouterr().err


def test_trust_store() -> None:
    store = startup.trust_store(PEM + PEM, Path("ca.pem"))
    assert struct.unpack(">III", store[:12]) == (0xFEEDFEED, 2, 1)
    assert store[-23:-20] == b"der"
    with pytest.raises(Problem, match=r"ca\.pem holds no readable certificate"):
        startup.trust_store("", Path("ca.pem"))


def test_bazelw_passes_everything_on(checkout: Checkout) -> None:
    entry = checkout.folder / "bazel/launcher/launcher.py"
    entry.write_text("import sys\nprint(sys.argv[1:])\nsys.exit(5)\n")
    done = subprocess.run(
        ["sh", "check 出/bazelw", "a b", "", "--c"],
        cwd=checkout.folder.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, "['a b', '', '--c']\n")
