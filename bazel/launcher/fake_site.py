"""A site on loopback for tests: a mirror that can be made to fail, and a checkout.

The packages are small but real ones; Bazel, bazelisk, patchelf and gpgv in them
are scripts, since what is tested is the way there.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from bazel.launcher import forky

_ROOT = Path(__file__).absolute().parents[2]
_LIB = "usr/lib/x86_64-linux-gnu"
PEM = (
    f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'der').decode()}\n-----END CERTIFICATE-----\n"
)

# Prints what it was started with, and exits with the code in the last argument.
_BAZEL = """#!/bin/sh
echo "DEBIAN_MIRROR $DEBIAN_MIRROR"
echo "PYPI_INDEX $PYPI_INDEX"
echo "NPM_REGISTRY $NPM_REGISTRY"
[ -z "$PYTHONHOME$PYTHONPATH$PYTHONSAFEPATH" ] || echo "Python's settings came along"
echo "user $USER, home $HOME, cache $XDG_CACHE_HOME"
for argument; do
  echo "argument [$argument]"
done
exit "$argument"
"""
_BAZELISK = """#!/bin/sh
case $USE_BAZEL_VERSION in
/*) exec "$USE_BAZEL_VERSION" "$@" ;;
esac
echo "bazelisk $USE_BAZEL_VERSION $*"
"""
# Hands back what stands between the markers; a real one is in archive_test.
GPGV = """#!/bin/sh
while [ "$1" != --output ]; do
  shift
done
while read -r line; do
  case $line in
  -----*) ;;
  Valid-Until:* | SHA256:) echo "$line" ;;
  *[0-9]*) echo " $line" ;;
  *) echo "$line" ;;
  esac
done <"$3" >"$2"
echo "[GNUPG:] GOODSIG"
"""


def deb(files: dict[str, str | bytes], links: dict[str, str] | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo("./" + name)
            info.size, info.mode = len(body), 0o755 if body[:2] == b"#!" else 0o644
            tar.addfile(info, io.BytesIO(body))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo("./" + name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    parts = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"?")]
    parts.append(("data.tar.xz", lzma.compress(data.getvalue())))
    deb = b"!<arch>\n"
    for name, body in parts:
        deb += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body
        deb += b"\n" * (len(body) % 2)
    return deb


def jar(class_path: str = "") -> bytes:
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\n{class_path}")
    return jar.getvalue()


class Mirror:
    """A Debian mirror, PyPI index and npm registry that can be made to fail."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.stalled: set[str] = set()  # sent by half, then nothing
        self.requests: list[str] = []
        self.with_login: list[str] = []  # those that came with one
        self.password = ""  # as in an Authorization header; "": none is asked for
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.removeprefix(mirror.url)  # absolute through a proxy
                mirror.requests.append(path)
                if self.headers["Authorization"]:
                    mirror.with_login.append(path)
                if path.startswith("/moved/"):
                    self.send_response(302)
                    self.send_header("Location", path.removeprefix("/moved"))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = mirror.files.get(path)
                status = 404 if body is None else 200
                if mirror.password and self.headers["Authorization"] != f"Basic {mirror.password}":
                    status, body = 401, b""
                self.send_response(status)
                body = body or b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if path in mirror.stalled:
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    while path in mirror.stalled:
                        time.sleep(0.01)
                    body = body[len(body) // 2 :]
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.stalled.clear()
        self.server.shutdown()
        self.server.server_close()

    def add_package(self, name: str, version: str, deb: bytes) -> dict[str, Any]:
        pool = f"main/x/{name}_{version}.deb"
        self.files[f"/debian/pool/{pool}"] = deb
        sha256 = hashlib.sha256(deb).hexdigest()
        entry = {"name": name, "version": version, "arch": "all", "suite": "forky"}
        return {**entry, "pool": pool, "sha256": sha256, "size": len(deb)}

    def add_index(self, packages: list[dict[str, Any]], until: str = "") -> None:
        """Serves an InRelease (the fake gpgv takes it as it is) with these packages."""
        stanzas = [
            f"Package: {p['name']}\nVersion: {p['version']}\nArchitecture: {p['arch']}\n"
            f"Filename: pool/{p['pool']}\nSize: {p['size']}\nSHA256: {p['sha256']}\n"
            for p in packages
        ]
        index = lzma.compress("\n".join(stanzas).encode())
        path = "main/binary-amd64/Packages.xz"
        self.files[f"/debian/dists/forky/{path}"] = index
        digest = hashlib.sha256(index).hexdigest()
        release = (
            "-----BEGIN PGP SIGNED MESSAGE-----\n"
            "Origin: Debian\nCodename: forky\n"
            + (f"Valid-Until: {until}\n" if until else "")
            + f"SHA256:\n {digest} {len(index)} {path}\n\n"
            "-----END PGP SIGNATURE-----\n"
        )
        self.files["/debian/dists/forky/InRelease"] = release.encode()


class Checkout:
    """A copy of the launcher with a lock of its own, and an empty home."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.mirror = mirror
        self.folder = folder / "check 出"  # as users have them
        self.cache = folder / "home/.cache/paddle_images/launcher"
        for package in ("launcher", "debian/archive", "site"):
            (self.folder / "bazel" / package).mkdir(parents=True)
            for source in (_ROOT / "bazel" / package).glob("*.py"):
                shutil.copy(source, self.folder / "bazel" / package)
        shutil.copy(_ROOT / "bazelw", self.folder)
        self.packages = [
            mirror.add_package(name, "7.7.1+ds-1" if name == "bazel-bootstrap" else "1", deb)
            for name, deb in self._debs().items()
        ]
        tgz = io.BytesIO()
        with tarfile.open(fileobj=tgz, mode="w:gz") as tar:
            info = tarfile.TarInfo("package/bazelisk-linux_amd64")
            info.size = len(_BAZELISK)
            tar.addfile(info, io.BytesIO(_BAZELISK.encode()))
        mirror.files["/npm/@bazel/bazelisk/-/bazelisk-1.28.1.tgz"] = tgz.getvalue()
        digest = base64.b64encode(hashlib.sha512(tgz.getvalue()).digest()).decode()
        self.npm = {
            "name": "@bazel/bazelisk",
            "version": "1.28.1",
            "file": "bazelisk-linux_amd64",
            "integrity": f"sha512-{digest}",
        }
        self.write_lock()
        (folder / "ca.pem").write_text(PEM)
        (folder / "bin").mkdir()
        (folder / "bin/gpgv").write_text(GPGV)
        (folder / "bin/gpgv").chmod(0o755)
        self.env = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "DEBIAN_MIRROR": f"{mirror.url}/debian",
            "DEBIAN_KEYRING": str(folder / "ca.pem"),
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "no_proxy": "127.0.0.1",  # of this machine's apt
            "PIP_CONFIG_FILE": os.devnull,
            "NPM_CONFIG_USERCONFIG": os.devnull,
            "NPM_CONFIG_GLOBALCONFIG": os.devnull,
        }
        (folder / "home").mkdir()

    def _debs(self) -> dict[str, bytes]:
        debs = dict.fromkeys(forky.WANTED, b"")
        for name in debs:
            debs[name] = deb({f"usr/share/java/{name}.jar": jar()})
        jars = "/usr/share/java/a.jar\n/usr/share/java/missing.jar\n"
        built_in = 'module(name = "bazel_tools")\nbazel_dep(name = "core", version = "1")\n'
        core = (
            'module(\n    name = "core",\n)\n'
            'bazel_dep(name = "used", repo_name = "c", version = "1.2")\n'
            '# bazel_dep(name = "commented", version = "1")\n'
            'bazel_dep(\n    name = "dev",\n    version = "1",\n    dev_dependency = True,\n)\n'
        )
        other = (
            'module(\n    name = "lib",\n    version = "0.0.0",\n    compatibility_level = 1,\n)\n'
        )
        debs["bazel-bootstrap"] = deb(
            {
                "usr/bin/bazel": _BAZEL,
                "usr/share/bazel/embedded_tools/MODULE.bazel": built_in,
                "usr/share/bazel/rules/core/MODULE.bazel": core,
                "usr/share/bazel/tools/lib/MODULE.bazel": other,
                "usr/share/bazel/bazel_classpath_debian_depends.txt": jars,
                "usr/share/java/a.jar": jar("Class-Path: /usr/share/java/b.jar ba\r\n zel-lib.jar"),
                "usr/share/doc/bazel/README": "not kept",
            },
            {"usr/share/java/b.jar": "/usr/share/java/bazel-rules-pkg.jar"},
        )
        debs["default-jre-headless"] = deb(
            {
                "usr/lib/jvm/java-25/bin/java": "#!",
                "usr/lib/jvm/java-25/lib/jspawnhelper": "#!",
                # In the place of ld.so, which is told to run patchelf.
                f"{_LIB}/ld-linux-x86-64.so.2": "#!/bin/sh\n",
                f"{_LIB}/libc.so.6": b"ANSI_X3.4-1968//\0ANSI_X3.4-1968\0ISO-8859-1",
            },
            {"usr/lib/jvm/default-java": "java-25"},
        )
        debs["patchelf"] = deb({"usr/bin/patchelf": "#!"})
        debs["ca-certificates"] = deb({"usr/share/ca-certificates/mozilla/a.crt": PEM})
        index = f'PyPI = PackageIndex("{self.mirror.url}/pypi/", file_storage_domain="x")\n'
        path = "usr/lib/python3/dist-packages/pip/_internal/models/index.py"
        debs["python3-pip"] = deb({path: index})
        registry = f"const result = rc('npm', {{registry: '{self.mirror.url}/npm/'}});\n"
        debs["node-registry-url"] = deb({"usr/share/nodejs/registry-url/index.js": registry})
        return debs

    def write_lock(self) -> None:
        lock = {"version": 1, "bazel": {"version": "7.7.1"}}
        text = json.dumps({**lock, "packages": self.packages, "npm": [self.npm]})
        (self.folder / "bazel/launcher/launcher_lock.json").write_text(text)

    def pool(self, name: str) -> str:
        (package,) = [p for p in self.packages if p["name"] == name]
        return f"/debian/pool/{package['pool']}"

    def popen(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        # The entry point rather than bazelw, so that it runs on this Python.
        program = [sys.executable, "-I", "-S", "-B", f"{self.folder}/bazel/launcher/launcher.py"]
        return subprocess.Popen(
            [*program, *arguments],
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(*arguments, **env)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def fails(self, **env: str) -> str:
        """The one paragraph that a start which cannot succeed shows."""
        done = self.run("0", **env)
        assert (done.returncode, done.stdout) == (36, ""), done
        assert "Traceback" not in done.stderr
        assert not list(self.cache.glob("bazel*-*"))
        return done.stderr
