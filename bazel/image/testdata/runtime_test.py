"""Images as users meet them: pushed, pulled back, run, stopped, damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bazel.image.private import runtime
from bazel.image.private.layout import Image

HERE = Path("bazel/image/testdata")
SMALL = HERE / "small"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with an empty home."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    yield kept | {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}


def program(name: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(HERE / name), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
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


def test_runs_as_a_container_engine_would(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache, options=["--env", "GIVEN=yes"]) as container:
        container.wait_ready("/")
        said = get(container.url)
        assert container.stop(5) == 0
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


def test_exit_code(cache: Path) -> None:
    assert runtime.Container(SMALL, cache=cache, arguments=["exit", "7"]).wait() == 7


def test_the_second_signal_ends_a_stubborn_program(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache, arguments=["stubborn"]) as container:
        container.wait_ready("/")
        os.kill(container.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert container.running
        assert container.stop(5) == 128 + signal.SIGKILL


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
        assert container.wait(5) == 0


def test_nothing_survives_a_kill(cache: Path) -> None:
    with runtime.Container(SMALL, cache=cache) as container:
        container.wait_ready("/")
        below = children(container.pid)
        assert len(below) >= 2  # bubblewrap and the server
        os.kill(container.pid, signal.SIGKILL)
        container.wait(5)
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


def test_a_taken_port(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        container = runtime.Container(SMALL, cache=cache, port=port)
        assert container.wait() == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in container.stderr
    assert f"-- --port {port + 1}" in container.stderr


def test_without_user_namespaces(home: dict[str, str]) -> None:
    forbid = [
        str(runtime.tool("bwrap")),
        "--unshare-user",
        "--disable-userns",
        "--dev-bind",
        "/",
        "/",
    ]
    command = [*forbid, str(HERE / "small_run"), "--port=0"]
    result = subprocess.run(
        command, env=home, capture_output=True, text=True, timeout=60, check=False
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


def test_digest_does_not_depend_on_labels() -> None:
    digests = [(HERE / f"{name}.json.sha256").read_text() for name in ("small", "renamed")]
    assert digests[0] == digests[1] == Image(SMALL).digest + "\n"


def test_push_twice_and_pull(home: dict[str, str], tmp_path: Path) -> None:
    image = Image(SMALL)
    first, second = (program("small_push", env=home) for _ in range(2))
    assert first.returncode == 0, first.stderr
    reference = f"localhost:5000/paddle/small@{image.digest}"
    assert first.stdout.splitlines()[0].startswith(f"pushed   {reference}   ")
    assert "3 layers, 3 new" in first.stdout
    assert "3 layers, 0 new" in second.stdout
    assert "verified pulled back by digest: equal" in second.stdout
    storage = tmp_path / ".cache" / "paddle_images" / "registry"
    with runtime.registry(storage) as port:
        source = f"docker://localhost:{port}/paddle/small@{image.digest}"
        command = [
            str(runtime.tool("skopeo")),
            "--insecure-policy",
            "copy",
            "--src-tls-verify=false",
        ]
        target = tmp_path / "pulled"
        subprocess.run([*command, source, f"oci:{target}"], check=True, stdout=subprocess.DEVNULL)
        assert Image(target).digest == image.digest
        tags = get(f"http://127.0.0.1:{port}/v2/paddle/small/tags/list")
        assert json.loads(tags)["tags"] == ["1.0"]


def test_two_pushes_at_once(home: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: program("small_push", env=home), range(2)))
    assert [result.returncode for result in results] == [0, 0]
    new = sorted(result.stdout.partition(" new")[0][-1] for result in results)
    assert new == ["0", "3"]


def test_push_while_the_registry_is_served(home: dict[str, str]) -> None:
    registry = subprocess.Popen(
        [HERE / "registry", "--port=5077"], env=home, stderr=subprocess.PIPE, text=True
    )
    assert registry.stderr is not None
    assert registry.stderr.readline().startswith("serving  localhost:5077  from ")
    assert program("small_push", env=home).returncode == 0
    tags = get("http://127.0.0.1:5077/v2/paddle/small/tags/list")
    assert json.loads(tags)["tags"] == ["1.0"]
    second = program("registry", "--port=5077", env=home)
    assert second.returncode == 1
    assert "another command is serving" in second.stderr
    below = children(registry.pid)
    registry.send_signal(signal.SIGINT)
    assert registry.wait(5) == 128 + signal.SIGINT
    assert all(gone(pid) for pid in below)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_push_that_is_cut_off_leaves_nothing_running(home: dict[str, str], number: int) -> None:
    pushing = subprocess.Popen([HERE / "small_push"], env=home, stderr=subprocess.DEVNULL)
    below: list[int] = []
    while not any(b"copy" in command_of(pid) for pid in below):  # skopeo runs
        assert pushing.poll() is None, "the push was too fast to cut off"
        below = children(pushing.pid)
    pushing.send_signal(number)
    pushing.wait(5)
    assert all(gone(pid) for pid in below)
    assert program("small_push", env=home).returncode == 0


def test_push_elsewhere(home: dict[str, str], tmp_path: Path) -> None:
    digest = Image(SMALL).digest
    with runtime.registry(tmp_path / "elsewhere") as port:
        to = f"localhost:{port}/team/name"
        pushed = program("small_push", "--repository", to, "--tag", "a", "-t", "b", env=home)
        assert pushed.returncode == 0, pushed.stderr
        assert pushed.stdout.startswith(f"pushed   {to}@{digest}   ")
        assert "verified pulled back by digest: equal" in pushed.stdout
        tags = json.loads(get(f"http://127.0.0.1:{port}/v2/team/name/tags/list"))
        assert sorted(tags["tags"]) == ["a", "b"]
    refused = program("small_push", "--repository", to, env=home)
    assert refused.returncode == 1
    assert f"the push to {to} failed" in refused.stderr
    assert "connection refused" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_push_of_an_index(home: dict[str, str], tmp_path: Path) -> None:
    with runtime.registry(tmp_path) as port:
        to = f"localhost:{port}/test/index"
        pushed = program("push_index_push.sh", "-r", to, "--tag=v2", env=home)
        assert pushed.returncode == 0, pushed.stderr
        digest = json.loads((HERE / "index" / "index.json").read_text())["manifests"][0]["digest"]
        assert pushed.stdout == f"{to}@{digest}\n"
        tags = json.loads(get(f"http://127.0.0.1:{port}/v2/test/index/tags/list"))
        assert sorted(tags["tags"]) == ["v1", "v2"]
        one = program("push_index_push.sh", "-r", to, "--platform", "linux/amd64", env=home)
        assert one.returncode == 0, one.stderr
        assert digest not in one.stdout
        other = program("push_index_push.sh", "-r", to, "--platform", "linux/arm64", env=home)
        assert "no image for linux/arm64" in other.stderr
    missing = program("push_index_push.sh", env=home)
    assert missing.returncode == 1
    assert missing.stderr == "ERROR: repository not set. Please pass --repository flag.\n"
    tagged = program("push_index_push.sh", "-r", "localhost:1/a:b", env=home)
    assert "must have no tag and no digest" in tagged.stderr


def fake_docker(folder: Path, env: dict[str, str]) -> Path:
    """A docker that keeps what it is given."""
    received = folder / "received.tar"
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" = load ] && exec cat > {received}\n')
    docker.chmod(0o755)
    env["PATH"] = f"{folder}:{env['PATH']}"
    return received


def test_load(home: dict[str, str], tmp_path: Path) -> None:
    received = fake_docker(tmp_path, home)
    assert program("small_load.sh", env=home).returncode == 0
    assert received.read_bytes() == (HERE / "small_load" / "tarball.tar").read_bytes()
    with tarfile.open(received) as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        (entry,) = json.load(file)
        assert entry["RepoTags"] == ["paddle/small:1.0"]
        assert {entry["Config"], *entry["Layers"]} < set(archive.getnames())
    assert program("index_load.sh", env=home).returncode == 0
    with tarfile.open(received) as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        (entry,) = json.load(file)["manifests"]
        assert entry["annotations"]["org.opencontainers.image.ref.name"] == "test/index:v1"


def test_load_without_docker(home: dict[str, str], tmp_path: Path) -> None:
    result = program("small_load.sh", env=home | {"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert "neither docker nor podman is on your PATH" in result.stderr
    assert "_run" in result.stderr
    assert "Traceback" not in result.stderr
