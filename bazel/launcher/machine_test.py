"""./bazelw on machines that are not this one: their files under bubblewrap, a site on loopback.

A machine is its /etc, a shell and a Python; nothing of this one shines through.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bazel.image.base import namespaces
from bazel.launcher import install
from bazel.launcher.fake_site import GPGV, PEM, Checkout, Mirror, deb, jar

_BWRAP = Path(os.environ["BWRAP"]).absolute()
_SYSTEM = Path(os.environ["SYSTEM"]).resolve()
_PYTHON = Path(os.environ["PYTHON_ROOT"]).resolve()
namespaces.require(Path(os.environ["TEST_TMPDIR"]))
_LIST = "http://www.debian.org/mirror/list"
_USER = "user:x:1000:1000::/home/user:/bin/sh\n"


class Machine:
    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.mirror = mirror
        self.checkout = Checkout(folder, mirror)
        self._folder = folder
        mirror.add_index(self.checkout.packages)
        for name in ("share", "home/user", "var-tmp"):
            (folder / name).mkdir(parents=True)
        self.write("etc/ssl/certs/ca-certificates.crt", PEM)
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n" + _USER)

    def write(self, path: str, text: str) -> None:
        """Writes a file below etc, share (/usr/share) or home."""
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("SITE", self.mirror.url))

    def start(
        self, env: Mapping[str, str], uid: int = 1000, home_is_writable: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """`./bazelw 7` in a checkout with a name that users have; 7 is the exit code, too."""
        words = [str(_BWRAP), "--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv"]
        words += ["--uid", str(uid), "--gid", str(uid), "--proc", "/proc", "--dev", "/dev"]
        for child in _SYSTEM.iterdir():
            words += ["--ro-bind", str(child), f"/{child.name}"]
        for root in (_SYSTEM, _PYTHON):  # whose links are absolute
            words += ["--ro-bind", str(root), str(root)]
        words += ["--ro-bind", str(self._folder / "share"), "/usr/share"]
        words += ["--ro-bind", str(self._folder / "etc"), "/etc"]
        words += ["--tmpfs", "/var", "--bind", str(self._folder / "var-tmp"), "/var/tmp"]
        words += ["--bind" if home_is_writable else "--ro-bind", f"{self._folder}/home", "/home"]
        words += ["--ro-bind", str(self.checkout.folder), "/src/检 出"]
        # Whatever is not asked of the site is refused by it, and nothing else is reached.
        given = {"http_proxy": self.mirror.url, "no_proxy": "127.0.0.1", "HOME": "/home/user"}
        given |= {"PATH": f"{_PYTHON}/usr/bin:/usr/bin:/bin", "USER": "user"}
        given |= {"BAZEL_SH": "/bin/sh", **env}
        for name, value in given.items():
            words += ["--setenv", name, value] if value else []
        words += ["--remount-ro", "/", "--chdir", "/src/检 出", "./bazelw", "7"]
        return subprocess.run(words, capture_output=True, text=True, timeout=300)

    def works(self, mirror: str, **env: str) -> str:
        """Starts Bazel, which is told of the mirror; gives back what the user sees."""
        done = self.start(env)
        assert done.returncode == 7, done
        assert f"DEBIAN_MIRROR {mirror.replace('SITE', self.mirror.url)}\n" in done.stdout
        return done.stderr

    def fails(self, **env: str) -> str:
        done = self.start(env)
        assert (done.returncode, done.stdout) == (36, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr

    def bazelrc(self) -> list[str]:
        (rc,) = self._folder.glob("home/user/.cache/paddle_images/launcher/bazel-*/site-*/bazelrc")
        return rc.read_text().splitlines()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    served = Mirror()
    yield served
    served.close()


@pytest.fixture
def machine(tmp_path: Path, mirror: Mirror) -> Machine:
    return Machine(tmp_path, mirror)


_DEB822 = """\
Types: deb
URIs: SITE/ubuntu/
Suites: noble noble-updates
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: SITE/ubuntu
Suites: noble-security
Components: main
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("apt/sources.list", "deb SITE/ubuntu jammy main restricted\n"),
        ("apt/sources.list.d/ubuntu.sources", _DEB822),
        ("yum.repos.d/fedora.repo", "[fedora]\nbaseurl=SITE/fedora/linux/releases/$releasever/\n"),
        ("apk/repositories", "SITE/alpine/v3.20/main\n"),
        ("pacman.d/mirrorlist", "#Server = http://no.test/\nServer = SITE/archlinux/$repo/os\n"),
    ],
)
def test_the_site_mirror_of_other_distributions_has_debian_too(
    machine: Machine, path: str, text: str
) -> None:
    machine.write(f"etc/{path}", text)
    says = machine.works("SITE/debian")
    assert f"taking {machine.mirror.url}/debian, found beside the mirror of this machine" in says
    machine.mirror.close()
    assert machine.works("SITE/debian") == ""  # remembered


def test_what_is_no_debian_is_not_believed(machine: Machine, mirror: Mirror) -> None:
    release = "/debian/dists/forky/InRelease"
    mirror.files[f"/vendor{release}"] = b"Origin: Vendor\nCodename: forky\n"
    mirror.files[f"/listed{release}"] = mirror.files[release]
    mirror.files |= {
        f"/listed{path}": body for path, body in mirror.files.items() if "/pool/" in path
    }
    machine.write("etc/apt/sources.list", "deb SITE/vendor/ubuntu noble main\n")
    listed = "#LOC:AM\nSITE/gone/debian/\n#LOC:DE\nSITE/listed/debian/\n"
    machine.write("share/python-apt/templates/Debian.mirrors", listed)
    says = machine.works("SITE/listed/debian")
    assert "found in /usr/share/python-apt/templates/Debian.mirrors" in says


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (_LIST, '<a rel="nofollow" href="http://gone.test/debian/">x</a> <a href="SITE/debian/">'),
        (
            "http://mirror-master.debian.org/status/Mirrors.masterlist",
            "Site: gone.test\nArchive-http: /debian/\nArchive-architecture: i386\n\n"
            "Site: HOST\nArchive-architecture: amd64\nArchive-http: /debian/\n",
        ),
    ],
)
def test_a_machine_without_mirrors_asks_debian(
    machine: Machine, mirror: Mirror, address: str, text: str
) -> None:
    host = mirror.url.removeprefix("http://")
    mirror.files[address] = text.replace("SITE", mirror.url).replace("HOST", host).encode()
    assert f"found in {address}" in machine.works("SITE/debian")
    del mirror.files[address]
    assert machine.works("SITE/debian") == ""


def test_a_mirror_that_is_no_more_is_not_remembered_for_ever(
    machine: Machine, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.files |= {f"/new{path}": body for path, body in mirror.files.items()}
    mirror.files[_LIST] = f'href="{mirror.url}/debian/"'.encode()
    machine.works("SITE/debian")
    memory = tmp_path / "home/user/.cache/paddle_images/launcher/mirrors.json"

    def days_pass() -> None:
        os.utime(memory, (0, 0))

    mirror.files[_LIST] = f'href="{mirror.url}/new/debian/"'.encode()
    days_pass()
    assert machine.works("SITE/debian") == ""  # it is still there
    assert memory.stat().st_mtime > 0
    del mirror.files["/debian/dists/forky/InRelease"]
    assert machine.works("SITE/debian") == ""  # not asked again so soon
    days_pass()
    assert f"taking {mirror.url}/new/debian" in machine.works("SITE/new/debian")
    mirror.close()
    days_pass()
    assert machine.works("SITE/new/debian") == ""  # without a network
    assert memory.stat().st_mtime > 0


def test_a_netrcs_default_is_not_for_mirrors_that_are_found(
    machine: Machine, mirror: Mirror
) -> None:
    machine.write("home/user/.netrc", "default login user password p@ss\n")
    mirror.files[_LIST] = f'href="{mirror.url}/debian/"'.encode()
    machine.works("SITE/debian")
    assert "/debian/dists/forky/InRelease" in mirror.requests
    assert mirror.with_login == []
    assert not any("--credential_helper=" in line for line in machine.bazelrc())
    env = {"DEBIAN_MIRROR": f"{mirror.url}/debian", "PADDLE_IMAGES_CACHE": "/home/user/set"}
    machine.works("SITE/debian", **env)
    assert any("/pool/" in path for path in mirror.with_login)


def test_a_mirror_with_the_security_archive_goes_before_others(
    machine: Machine, mirror: Mirror
) -> None:
    for path, body in list(mirror.files.items()):
        mirror.files[f"/whole{path}"] = body
    mirror.files["/whole/debian-security/dists/forky-security/InRelease"] = b"x"
    mirror.files[_LIST] = f'href="{mirror.url}/debian/" href="{mirror.url}/whole/debian"'.encode()
    machine.works("SITE/whole/debian")
    security = f'common "--repo_env=DEBIAN_SECURITY_MIRROR={mirror.url}/whole/debian-security"'
    assert security in machine.bazelrc()


def test_no_mirror_at_all(machine: Machine) -> None:
    says = machine.fails()
    assert "no Debian mirror is known" in says
    assert f"{_LIST}: " in says
    assert "`DEBIAN_MIRROR=http://MIRROR/debian ./bazelw info`" in says
    url = f"{machine.mirror.url}/debian"
    assert machine.works("SITE/debian", DEBIAN_MIRROR=url).count("\n") == 1


@pytest.mark.parametrize("uri", ["mirror+SITE/list", "mirror+file:/etc/apt/list"])
def test_lists_of_mirrors(machine: Machine, mirror: Mirror, uri: str) -> None:
    text = f"# ours\n{mirror.url}/no/debian\tpriority:1\n{mirror.url}/debian\tpriority:2\n"
    mirror.files["/list"] = text.encode()
    machine.write("etc/apt/list", text)
    machine.write("etc/apt/sources.list", f"deb {uri} bookworm main\n")
    assert machine.works("SITE/no/debian SITE/debian").count("\n") == 1
    mirror.close()
    assert machine.works("SITE/no/debian SITE/debian") == ""


def test_a_list_of_mirrors_that_cannot_be_read(machine: Machine) -> None:
    machine.write("etc/apt/sources.list", "deb mirror://127.0.0.1:9/list bookworm main\n")
    says = machine.fails()
    assert "a list of mirrors that cannot be read" in says and "127.0.0.1:9/list: " in says


def test_the_proxy_of_apt(machine: Machine, mirror: Mirror) -> None:
    for path, body in list(mirror.files.items()):
        if path.startswith("/debian/pool"):
            mirror.files[f"http://debian.test{path}"] = body
    machine.write("etc/apt/sources.list", "deb http://debian.test/debian bookworm main\n")
    machine.write(
        "etc/apt/apt.conf.d/99proxy",
        '// the site\nAcquire { http { Proxy "SITE/"; Proxy::other.test DIRECT; }; };\n',
    )
    machine.write("etc/apt/apt.conf.d/99proxy.bak", 'Acquire::http::Proxy "http://127.0.0.1:9";')
    machine.works("http://debian.test/debian", http_proxy="", no_proxy="")
    lines = machine.bazelrc()
    assert f'common "--repo_env=http_proxy={mirror.url}"' in lines
    assert 'common "--repo_env=no_proxy=127.0.0.1"' in lines  # the index and the registry
    # Others' hosts are reached without it.
    assert not [path for path in mirror.requests if path.startswith("http://127.0.0.1")]


def test_the_logins_of_apt(machine: Machine, mirror: Mirror) -> None:
    mirror.password = base64.b64encode(b"user:p@ss").decode()
    npm = f"{mirror.url.replace('//', '//user:p%40ss@')}/npm"
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    says = machine.fails(NPM_REGISTRY=npm)
    assert "401" in says and "auth.conf" in says
    machine.write(
        "etc/apt/auth.conf.d/site.conf",
        "machine SITE/other login user password wrong\n"
        "# the mirror's\nmachine SITE/debian\n  login user\n  password p@ss\n",
    )
    machine.works("SITE/debian", NPM_REGISTRY=npm)
    assert "p@ss" not in "\n".join(machine.bazelrc())
    assert any("--credential_helper=127.0.0.1=" in line for line in machine.bazelrc())


def test_unreadable_logins_and_settings_stop_nobody(machine: Machine, tmp_path: Path) -> None:
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    for name in ("etc/apt/auth.conf", "etc/apt/apt.conf", "etc/pip.conf", "home/user/.netrc"):
        (tmp_path / name).mkdir(parents=True)  # cannot be read, even by root
    assert machine.works("SITE/debian").count("\n") == 1
    (tmp_path / "home/user/.netrc").rmdir()
    (tmp_path / "home/user/.netrc").write_bytes(b"machine \xff\xfe login")
    assert machine.works("SITE/debian") == ""


@pytest.mark.parametrize("uid", [0, 1000, 12345])
def test_who_starts_it(machine: Machine, uid: int) -> None:
    machine.write("etc/apt/sources.list", "deb SITE/ubuntu noble main\n")
    done = machine.start({"USER": ""}, uid)
    assert done.returncode == 7, done
    assert f"user { {0: 'root', 1000: 'user'}.get(uid, str(uid)) }, home /home/user" in done.stdout


@pytest.mark.parametrize("uid", [0, 12345])
def test_nowhere_to_write_but_the_place_for_all(machine: Machine, uid: int) -> None:
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    done = machine.start({}, uid, home_is_writable=False)
    assert done.returncode == 7, done
    place = f"/var/tmp/paddle_images-{uid}"
    assert f"cache {place}\n" in done.stdout
    again = machine.start({}, uid, home_is_writable=False)
    assert (again.returncode, again.stderr) == (7, "")


def test_no_home_and_no_name(machine: Machine) -> None:
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    done = machine.start({"HOME": "", "USER": ""}, 12345)
    assert done.returncode == 7, done
    place = "/var/tmp/paddle_images-12345"
    assert f"user 12345, home /nonexistent, cache {place}\n" in done.stdout


def test_a_machine_without_bash(machine: Machine) -> None:
    says = machine.fails(BAZEL_SH="")
    assert "there is no /bin/bash here. Install it, as by `apk add bash` on Alpine" in says


def test_a_place_of_somebody_else_is_not_taken(machine: Machine, tmp_path: Path) -> None:
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    (tmp_path / "var-tmp/paddle_images-1000").symlink_to("/home")
    done = machine.start({}, home_is_writable=False)
    assert done.returncode == 36
    assert "/var/tmp/paddle_images-1000 cannot be had" in done.stderr
    assert "`PADDLE_IMAGES_CACHE=/FOLDER ./bazelw info`" in done.stderr


def test_a_machine_without_gpgv_takes_that_of_the_lock(machine: Machine, mirror: Mirror) -> None:
    checkout = machine.checkout
    machine.write("etc/apt/sources.list", "deb SITE/debian bookworm main\n")
    loader = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    files: dict[str, dict[str, str | bytes]] = {name: {} for name in install.VERIFIER}
    files["libc6"] = {loader: '#!/bin/sh\nshift 2\nexec "$@"\n'}
    files["gpgv"] = {"usr/bin/gpgv": GPGV}
    files["debian-archive-keyring"] = {"usr/share/keyrings/debian-archive-keyring.gpg": "keys"}
    locked = [mirror.add_package(name, "1", deb(content)) for name, content in files.items()]
    (checkout.folder / "debian_lock.json").write_text(json.dumps({"packages": locked}))
    del mirror.files[checkout.pool("bazel-lib")]
    newer = mirror.add_package("bazel-lib", "2", deb({"usr/share/java/bazel-lib.jar": jar()}))
    mirror.add_index([p for p in checkout.packages if p["name"] != "bazel-lib"] + [newer])
    keyring = "/debian/pool/" + locked[0]["pool"]
    kept = mirror.files.pop(keyring)
    says = machine.fails()
    assert "debian-archive-keyring 1 on the mirror. Install what checks Debian's signature" in says
    mirror.files[keyring] = kept
    assert "1 packages differ from the lock: bazel-lib 1 -> 2." in machine.works("SITE/debian")
