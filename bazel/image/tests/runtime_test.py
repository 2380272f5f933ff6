"""Images as users meet them: run, stopped, damaged."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bazel.image.base.processes import UserError
from bazel.image.oci.layout import Image
from bazel.image.run import run, runtime, sandbox
from bazel.image.tests.users import (
    HERE,
    LIMIT,
    SMALL,
    children,
    command_of,
    environment,
    get,
    gone,
    program,
)

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def test_runs_as_a_container_engine_would(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache, options=["--env", "GIVEN=yes"]) as container:
        container.wait_ready("/")
        said = get(container.url)
        assert container.stop() == 0
    assert "uid 65532 gid 65532 pid 1\n" in said
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000\n" in said
    assert "NoNewPrivs:\t1\n" in said
    assert "/app read-only\n/tmp writable\n/logs writable\n/models writable\n" in said
    assert "interfaces lo\n" in said
    assert "env GIVEN yes\n" in said
    assert container.stdout == "serving\nstopping\n"


def test_volume(cache: Path, tmp_path: Path) -> None:
    options = ["--volume", f"{tmp_path}:/logs", "--volume", f"{tmp_path}:/models:ro"]
    with runtime.Container(SMALL, cache=cache, options=options) as container:
        container.wait_ready("/")
        said = get(container.url)
    assert "/logs writable\n/models read-only\n" in said
    assert (tmp_path / "written").read_text() == "x"
    assert "discarded" not in container.stderr


def test_a_missing_folder_of_a_volume_is_made_if_it_is_to_write(
    cache: Path, tmp_path: Path
) -> None:
    models = tmp_path / "new/models"
    options = ["--volume", f"{models}:/models:ro"]
    container = runtime.Container(SMALL, cache=cache, arguments=["exit", "0"], options=options)
    assert container.wait() == 1
    assert f"{models} does not exist" in container.stderr
    assert not models.parent.exists()

    with runtime.Container(SMALL, cache=cache, options=["-v", f"{models}:/models"]) as container:
        container.wait_ready("/")
    assert (models / "written").exists()
    assert f"made     {models}, for /models" in container.stderr

    (tmp_path / "file").touch()
    options = ["--volume", f"{tmp_path}/file/models:/models"]
    container = runtime.Container(SMALL, cache=cache, arguments=["exit", "0"], options=options)
    assert container.wait() == 1
    assert f"cannot make {tmp_path}/file/models: Not a directory" in container.stderr
    assert "Traceback" not in container.stderr


def test_it_says_what_is_discarded_and_how_to_keep_it(cache: Path, tmp_path: Path) -> None:
    options = ["--volume", f"{tmp_path}:/logs"]
    with runtime.Container(SMALL, cache=cache, options=options) as container:
        container.wait_ready("/")
        assert "discarded" not in container.stderr
        assert container.stop() == 0
    told = [line for line in container.stderr.splitlines() if "/models" in line]
    assert told == [
        "discarded  1 file in /models, e.g. /models/written",
        "         to keep what is written there: --volume FOLDER:/models",
    ]
    assert "/logs/" not in container.stderr, "that is kept"


@pytest.mark.parametrize(
    "words", [["exit", "7"], ["--", "exit", "7"], ["--port", "0", "exit", "7"]]
)
def test_what_follows_the_options_is_the_programs(words: list[str], home: dict[str, str]) -> None:
    assert program("small_run", *words, env=home).returncode == 7


def test_options_of_the_program_alone_go_behind_dashes(home: dict[str, str]) -> None:
    result = program("small_run", "--epochs", "5", env=home)
    assert result.returncode == 2
    assert "unknown option --epochs; if it is the program's" in result.stderr
    assert "`-- -- --epochs`" in result.stderr
    # Those behind its first word are not looked at, even if a run has them.
    result = program("small_run", "--port=0", "--", "--volume", env=home)
    assert "usage: server" in result.stderr


def test_no_command_line_has_the_environment(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user of a machine can read command lines; values may be passwords."""
    monkeypatch.setenv("GIVEN", "hunter2")
    with runtime.Container(SMALL, cache=cache, options=["--env", "GIVEN"]) as container:
        container.wait_ready("/")
        assert "env GIVEN hunter2\n" in get(container.url)
        lines = [command_of(pid) for pid in (container.pid, *children(container.pid))]
        assert any(b"bwrap" in line for line in lines)
        assert not any(b"hunter2" in line for line in lines)
    monkeypatch.delenv("GIVEN")
    container = runtime.Container(SMALL, cache=cache, options=["--env", "GIVEN"])
    assert container.wait() == 2
    assert "GIVEN is not set here" in container.stderr


def test_exit_code(cache: Path) -> None:
    assert runtime.Container(SMALL, cache=cache, arguments=["exit", "7"]).wait() == 7


def test_the_second_signal_ends_a_stubborn_program(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache, arguments=["stubborn"]) as container:
        container.wait_ready("/")
        began = time.monotonic()
        os.kill(container.pid, signal.SIGTERM)
        while "staying\n" not in container.stdout:
            assert container.running
            time.sleep(0.02)
        time.sleep(sandbox.ONE_SIGNAL_SECONDS + 0.1)  # what comes sooner is the same signal
        assert container.running
        assert container.stop() == 128 + signal.SIGKILL
        assert time.monotonic() - began < sandbox.GRACE_SECONDS, "that is what ended it"


def test_signals_at_once_are_one(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache, arguments=["drain"]) as container:
        container.wait_ready("/")
        # It sees the three together, however long this process takes to send them.
        for number in (signal.SIGSTOP, *ENDING, signal.SIGCONT):
            os.kill(container.pid, number)
        assert container.wait() == 0


def drain_under(wrapper: str, home: dict[str, str]) -> subprocess.Popen[str]:
    """A process group of a wrapper and an image that runs, and takes time to end."""
    group = subprocess.Popen(
        ["/bin/sh", "-c", wrapper.format(f"{HERE}/small_run --port=0 -- drain")],
        env=home,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert group.stdout is not None
    assert group.stdout.readline() == "serving\n"
    return group


def test_a_signal_to_the_group(home: dict[str, str]) -> None:
    # Two come together: from here, and from the kernel when the shell has ended.
    group = drain_under("trap exit HUP; {} & wait", home)
    below = children(group.pid)
    os.kill(below[0], signal.SIGSTOP)  # until the shell has ended
    os.killpg(group.pid, signal.SIGHUP)
    group.wait(LIMIT)
    os.kill(below[0], signal.SIGCONT)
    assert group.communicate(timeout=LIMIT)[0] == "drained\n"
    assert all(gone(pid) for pid in below)


def test_a_signal_through_a_wrapper(home: dict[str, str]) -> None:
    group = drain_under("exec timeout --preserve-status 60 {}", home)
    # timeout sends it to its child, and to the group, and then SIGCONT: the child sees one signal,
    # however long timeout is kept from its processor between the two.
    os.kill(children(group.pid)[0], signal.SIGSTOP)
    group.terminate()
    assert group.communicate(timeout=LIMIT)[0] == "drained\n"
    assert group.returncode == 0


def test_many_connections(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache) as container:
        container.wait_ready("/")
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: get(container.url), range(200)))
    assert all(answer.startswith("uid 65532") for answer in answers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_stop_it(cache: Path, number: int) -> None:
    with runtime.Container(SMALL, cache=cache) as container:
        container.wait_ready("/")
        os.kill(container.pid, number)
        assert container.wait() == 0


def test_nothing_survives_a_kill(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache) as container:
        container.wait_ready("/")
        below = children(container.pid)
        assert len(below) >= 2  # bubblewrap and the server
        os.kill(container.pid, signal.SIGKILL)
        container.wait()
        assert all(gone(pid) for pid in below)


def test_it_ends_with_its_parent(home: dict[str, str]) -> None:
    script = f"{HERE}/small_run --port 0 & echo $!; wait"
    shell = subprocess.Popen(
        ["/bin/sh", "-c", script], env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    assert shell.stdout.readline() == b"serving\n"
    below = [pid, *children(pid)]
    shell.kill()
    shell.wait()
    assert all(gone(pid) for pid in below)


@pytest.mark.parametrize(
    ("wanted", "forwarded"),
    [
        ([], [(8080, 8080), (8081, 8081)]),
        ([(9000, 0)], [(9000, 8080), (0, 8081)]),  # beside another container
        ([(9000, 0), (9001, 8081)], [(9000, 8080), (9001, 8081)]),
        ([(9001, 8081)], [(8080, 8080), (9001, 8081)]),
    ],
)
def test_ports_of_an_image_with_two(
    wanted: list[tuple[int, int]], forwarded: list[tuple[int, int]]
) -> None:
    assert run.ports_to_forward([8080, 8081], wanted) == forwarded


def test_a_taken_port(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        container = runtime.Container(SMALL, cache=cache, port=port)
        assert container.wait() == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in container.stderr
    assert f"-- --port {port + 1}" in container.stderr


def test_without_user_namespaces(home: dict[str, str]) -> None:
    for network in ("private", "host"):
        command = [*runtime.without_namespaces(), str(HERE / "small_run"), f"--network={network}"]
        result = subprocess.run(
            [*command, "exit", "0"],
            env=home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 1
        assert "this machine lets you make no user namespace" in result.stderr
        assert "sysctl -w user.max_user_namespaces=15000" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_tampered_cache_is_noticed(tmp_path: Path) -> None:
    assert runtime.Container(SMALL, cache=tmp_path, arguments=["exit", "0"]).wait() == 0
    server = next(tmp_path.glob("rootfs/test/*/root/app/bin/server"))
    server.write_text("#!/bin/sh\nexit 0\n")
    assert runtime.Container(SMALL, cache=tmp_path, arguments=["exit", "3"]).wait() == 3


def test_an_image_that_another_command_forgets_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the lock to write and the lock to read there is a moment without one."""
    forgotten: list[Path] = []

    def another(parent: Path, keep: str) -> None:
        if not forgotten:
            forgotten.append(parent / keep)
            shutil.rmtree(parent / keep)

    monkeypatch.setattr(run, "_forget_others", another)
    with run.unpacked(Image(SMALL), "test", tmp_path) as root:
        assert forgotten == [root.parent]
        assert (root / "app/bin/server").exists()


def test_a_cache_that_keeps_no_file_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network file systems: their times change after the file is closed."""
    monkeypatch.setattr(run, "_intact", lambda _: False)
    unpacked = run.unpacked(Image(SMALL), "test", tmp_path)
    with pytest.raises(UserError, match=r"was unpacked 3 times, .* --cache FOLDER"), unpacked:
        pass


def test_a_damaged_layer(tmp_path: Path) -> None:
    copy = tmp_path / "layout"
    shutil.copytree(SMALL, copy, copy_function=lambda a, b: shutil.copyfile(a, b))
    for folder in (copy, copy / "blobs", copy / "blobs" / "sha256"):
        folder.chmod(0o755)
    layer = Image(copy).layers[1]
    path = Image(copy).blob(layer["digest"])
    data = bytearray(path.read_bytes())
    for what, at in (("middle", len(data) // 2), ("end", len(data) - 6)):
        bad = data.copy()
        bad[at] ^= 0xFF
        path.write_bytes(bad)
        container = runtime.Container(copy, cache=tmp_path / what)
        assert container.wait() == 1
        assert "is damaged" in container.stderr
        assert "Traceback" not in container.stderr
        assert not list((tmp_path / what).glob("rootfs/test/*/root")), "half an image was kept"
