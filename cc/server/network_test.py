"""The server is reached, and its health check finds it, by whatever IP and port there is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bazel.image.base import namespaces
from cc.server.digits import make_repository

UNSHARE = [os.environ["UNSHARE"], "--user", "--map-root-user", "--net", "--pid", "--fork"]
# It finds what this test finds.
ENV = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
namespaces.require(Path(os.environ["TEST_TMPDIR"]))


@pytest.mark.parametrize(
    ("kind", "told", "host", "reached"),
    [
        # As the image starts it.
        ("both", {"PADDLE_SERVER_HOST": "::"}, "::", {"127.0.0.1", "::1"}),
        ("ipv6-only", ["--host=::"], "::", {"::1"}),
        ("no-ipv6", ["--host=::"], "0.0.0.0", {"127.0.0.1"}),
        # As people start it.
        ("both", ["--host", "0.0.0.0", "--port", "9000"], "0.0.0.0", {"127.0.0.1"}),
        ("both", ["--port=1", "--port=9000"], "127.0.0.1", {"127.0.0.1"}),
        ("ipv6-only", ["--host=::1", "--port=9000"], "::1", {"::1"}),
        ("both", {"PADDLE_SERVER_PORT": "9000"}, "127.0.0.1", {"127.0.0.1"}),
        ("ipv6-only", "host: '::1'\nport: 9000\n", "::1", {"::1"}),
    ],
)
def test_it_is_reached_and_found_healthy(
    tmp_path: Path, kind: str, told: list[str] | dict[str, str] | str, host: str, reached: set[str]
) -> None:
    """The server is told by flags, by the environment, or by a file."""
    flags = told if isinstance(told, list) else []
    if isinstance(told, str):
        file = tmp_path / "server.yaml"
        file.write_text(told)
        flags = [f"--config={os.path.relpath(file)}"]
    repository = f"--model_repository={make_repository(tmp_path / 'models')}"
    machine = [sys.executable, "-m", "cc.server.machine", kind, os.environ["IP"]]
    done = subprocess.run(
        [*UNSHARE, "--mount-proc", *machine, *flags, repository],
        stdout=subprocess.PIPE,
        check=True,
        env=ENV | (told if isinstance(told, dict) else {}),
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    assert (seen["healthcheck"], seen["stderr"]) == (0, "")
    assert {address for address, said in seen["answers"].items() if said == 200} == reached
    assert seen["host"] == host
