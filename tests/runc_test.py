"""The inference image under runc, the runtime that container engines use.

runc needs root here: rootless, it maps the caller to the container's root and
cannot become the image's user. bubblewrap's tests hold for every caller.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bazel.image.oci import layout
from bazel.image.run import sandbox

IMAGE = layout.Image(Path(os.environ["IMAGE"]))
TOOLS = Path(os.environ["TOOLS_ROOT"]).resolve()


def specification(config: dict[str, Any], root: Path, port: int) -> dict[str, Any]:
    """A runtime config (OCI runtime specification 1.0) with nothing granted."""
    uid, gid, _ = sandbox.user_of(root, config["User"])
    arguments = [a for a in config["Cmd"] if not a.startswith("--port")] + [f"--port={port}"]

    def tmpfs(path: str) -> dict[str, Any]:
        return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}

    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": uid, "gid": gid},
            "args": [*config["Entrypoint"], *arguments],
            "env": config["Env"],
            "cwd": config["WorkingDir"],
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            tmpfs("/dev"),
            tmpfs("/tmp"),
            tmpfs("/logs"),
        ],
        # Not network: the test asks the server over the loopback it shares.
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def get(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as response:
        return bytes(response.read())


def test_it_serves_under_runc_and_stops_in_time(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        # Seen with --test_output=all; see this file's head.
        pytest.skip("not run: runc needs root, and you are not")
    root = tmp_path / "bundle/rootfs"
    layout.unpack(IMAGE, root)
    for mount in ("proc", "dev", "tmp"):
        (root / mount).mkdir(exist_ok=True)
    port = free_port()
    config = specification(IMAGE.config["config"], root, port)
    (tmp_path / "bundle/config.json").write_text(json.dumps(config))
    # runc executes /proc/self/exe again, which a start through the lock's ld.so
    # would not survive: it gets the one library that it needs by itself.
    libraries = tmp_path / "lib"
    libraries.mkdir()
    name = "libseccomp.so.2"
    (libraries / name).symlink_to(TOOLS / "usr/lib/x86_64-linux-gnu" / name)
    runc = [str(TOOLS / "usr/sbin/runc"), "--root", str(tmp_path / "state")]
    env = {"LD_LIBRARY_PATH": str(libraries), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    container = f"paddle-images-test-{os.getpid()}"

    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [*runc, "run", "--bundle", str(tmp_path / "bundle"), container],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                get(f"http://127.0.0.1:{port}/v2/health/ready")
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.05)
        listing = subprocess.run(
            [*runc, "state", container], env=env, check=True, capture_output=True
        )
        status = Path(f"/proc/{json.loads(listing.stdout)['pid']}/status").read_text()
        assert "Uid:\t65532\t65532\t65532\t65532\n" in status
        assert "CapEff:\t0000000000000000\n" in status
        assert "CapBnd:\t0000000000000000\n" in status
        assert "NoNewPrivs:\t1\n" in status
        assert b'"digits"' in get(f"http://127.0.0.1:{port}/v2/models/digits")

        start = time.monotonic()
        subprocess.run([*runc, "kill", container, "TERM"], env=env, check=True)
        assert process.wait(10) == 0
        assert time.monotonic() - start < 5
    finally:
        if process.poll() is None:
            subprocess.run([*runc, "delete", "--force", container], env=env, check=False)
            process.wait(10)
        log.close()
