"""Whatever ends a program about images, nothing that it started is left."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from bazel.image.tests.users import HERE, children, command_of, environment
from bazel.oci import leftovers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["small_push", "verify", "report", "registry", "small_load.sh"])
def test_nothing_is_left_running(tmp_path: Path, name: str, number: signal.Signals) -> None:
    leftovers.adopt()
    env = environment(tmp_path)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    assert leftovers.still_running() == []  # of other tests
    (tmp_path / "docker").write_text("#!/bin/sh\n[ $1 = version ] || exec sleep 1000\n")
    (tmp_path / "docker").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        to = f"localhost:{silent.getsockname()[1]}/team/name"
        words, below = {
            "small_push": (["-r", to], b"/usr/bin/skopeo"),
            "verify": ([f"{to}:v1"], b"/usr/bin/skopeo"),
            "report": ([f"--against={to}:v1", "--offline"], b"/usr/bin/skopeo"),
            "registry": (["--port=0"], b"/usr/bin/docker-registry"),
            "small_load.sh": ([], b"sleep\0"),
        }[name]
        command = [str(HERE / name), *words]
        process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        while not any(below in command_of(pid) for pid in children(process.pid)):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        ended = -number if number == signal.SIGKILL else 128 + number
        assert process.wait() == ended
        left = leftovers.left()
        assert leftovers.still_running() == []
        assert left == [] or number == signal.SIGKILL
