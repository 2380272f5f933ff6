"""What tests about users share: their environment, commands, processes, and what others push."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bazel.image.oci.artifacts import read, referrers_tag, write
from bazel.image.oci.layout import Image, Json
from bazel.image.run import runtime

HERE = Path("bazel/image/tests")
SMALL = HERE / "small"
LIMIT = 60  # seconds for what takes one on a machine that does nothing else


def environment(home: Path) -> dict[str, str]:
    """The environment of a user with an empty home."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    return kept | {"HOME": str(home), "PATH": "/usr/bin:/bin"}


def program(name: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(HERE / name), *arguments]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def get(url: str, headers: dict[str, str] | None = None) -> str:
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(response.read().decode())


def gone(pid: int) -> bool:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(path.parent.name), *children(int(path.parent.name))]
    return found


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def push_beside(to: str, change: Callable[[Json], object]) -> None:
    """Puts something else beside the image: what belongs there, changed."""
    told = read(Image(HERE / "small_referrers"), Image(SMALL).digest)
    change(told)
    with tempfile.TemporaryDirectory() as folder:
        layout = Path(folder, "layout")
        payloads = {kind: json.dumps(value).encode() for kind, value in told.items()}
        write(Image(SMALL), payloads, layout)
        target = f"docker://{to}:{referrers_tag(Image(SMALL).digest)}"
        command = [str(runtime.tool("skopeo")), "--insecure-policy", "copy", "--all", "--quiet"]
        command += ["--dest-tls-verify=false", f"oci:{layout}", target]
        subprocess.run(command, check=True)
