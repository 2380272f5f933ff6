"""Flags, the environment and a file have one set of names."""

import os
from pathlib import Path
from typing import Any

import yaml

from cc.server.repository import ROWS, Repository, infer, request
from cc.server.serving import run, serving


def settings(text: str) -> Any:
    """As words: to YAML 1.1 `on` is a truth."""
    return yaml.load(text, yaml.BaseLoader)


def test_a_server_is_told_by_environment_and_file(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="times1")
    file = tmp_path / "server.yaml"
    file.write_text(f"model_repository: {models.root}\nmax_json_bytes: 10\ngrpc_port: -1\n")
    environment = os.environ | {"PADDLE_SERVER_MAX_REQUEST_BYTES": "20"}
    with serving(f"--config={file}", env=environment) as server:
        assert server.grpc_port == -1
        status, _, answer = server.call("POST", infer("m"), request(ROWS))
        assert status == 413
        assert b"20" in answer


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text("max_queue: 64\npol_ms: 1\n")
    done = run("serve", "--port=0", f"--config={file}")
    assert done.returncode == 2
    assert f"{file}:2: pol_ms is not known; the nearest name is poll_ms" in done.stderr
    assert "see `server serve --help`" in done.stderr
    done = run("serve", env={"PADDLE_SERVER_BATCHING": "maybe"})
    assert done.returncode == 2
    assert "PADDLE_SERVER_BATCHING: " in done.stderr
    assert "maybe" in done.stderr
    done = run("serve", env={"PADDLE_SERVER_LOG_LEVEL": "loud"})
    assert done.returncode == 2
    assert "PADDLE_SERVER_LOG_LEVEL: " in done.stderr


def test_the_flags_in_force_are_printed_as_such_a_file(tmp_path: Path) -> None:
    environment = {"PADDLE_SERVER_HOST": "::", "PADDLE_SERVER_MODEL_VERSIONS": "m:1,3 n:2"}
    printed = run("serve", "--print_config", "--batching=on", env=environment)
    assert (printed.returncode, printed.stderr) == (0, "")
    wanted = {"host": "::", "model_versions": ["m:1,3", "n:2"], "batching": "on"}
    assert settings(printed.stdout) == wanted
    file = tmp_path / "server.yaml"
    file.write_text(printed.stdout)
    again = run("serve", "--print_config", f"--config={file}")
    assert settings(again.stdout) == wanted
    # Every flag has its line.
    uncommented = printed.stdout.replace("\n# ", "\n")
    flags = run("serve", "--help").stdout
    for name in ("poll_ms", "device", "max_queue", "drain_delay_ms", "log_level"):
        assert f"\n{name}: " in uncommented
        assert f"--{name}" in flags
