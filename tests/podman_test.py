"""The images under podman, from the embedded registry: pulled, trained in, served, mounted.

Debian's podman of the lock runs in a box: a root of its own made of Debian's packages, with
namespaces of mounts and processes, so that nothing of this machine's containers is seen or touched
and nothing stays behind. Its containers share the machine's network, so a port is asked for as an
argument.
"""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.image.base import processes
from bazel.image.oci.layout import Image, Json
from bazel.image.registry import registry
from bazel.image.run import runtime, sandbox

IMAGES = {name: Path("images", name).absolute() for name in ("inference", "slim", "train")}
MOUNTED = {"models_digits": Path("images/models_digits").absolute()}
USER = "65532:65532"
SAMPLES = Path(os.environ["SAMPLES"])
ROOT = Path(os.environ["CONTAINERS_ROOT"]).resolve()

# Of the machine only the network; no systemd, no cgroups, which a container may lack.
CONTAINERS = """\
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"""
STORAGE = '[storage]\ndriver = "{driver}"\ngraphroot = "/storage"\nrunroot = "/run/storage"\n'
REGISTRY = '[[registry]]\nlocation = "localhost:{port}"\ninsecure = true\n'


class Podman:
    """podman in its box; the box is there as long as process 1 of it, podman's service."""

    def __init__(self, folder: Path, driver: str, port: int) -> None:
        config, storage, var = folder / "etc", folder / f"storage-{driver}", folder / "var"
        for path in (config, storage, var / "tmp"):
            path.mkdir(parents=True, exist_ok=True)
        (config / "containers.conf").write_text(CONTAINERS)
        (config / "storage.conf").write_text(STORAGE.format(driver=driver))
        (config / "registries.conf").write_text(REGISTRY.format(port=port))
        (config / "hosts").write_text("127.0.0.1 localhost\n")
        (config / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        words: list[str | Path] = [runtime.tool("bwrap"), "--cap-add", "ALL", "--die-with-parent"]
        words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        words += [*sandbox.system(ROOT), "--proc", "/proc", "--dev-bind", "/dev", "/dev"]
        # No cgroups: crun refuses machines that have both versions, and needs none.
        words += ["--bind", "/sys", "/sys", "--tmpfs", "/sys/fs/cgroup"]
        words += ["--tmpfs", "/run", "--tmpfs", "/tmp", "--bind", var, "/var"]
        words += ["--ro-bind", config, "/etc/containers", "--bind", storage, "/storage"]
        words += ["--ro-bind", config / "hosts", "/etc/hosts"]
        reader, writer = os.pipe()
        words += ["--info-fd", str(writer), "/usr/bin/podman", "system", "service", "--time=0"]
        self._env = {"HOME": "/tmp", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._box = processes.start(
                words, env=self._env, stdout=log, stderr=log, pass_fds=(writer,)
            )
        os.close(writer)
        self._inside = sandbox.child_pid(reader)
        socket = Path(f"/proc/{self._inside}/root/run/podman/podman.sock")
        while self._box.poll() is None and not socket.exists():
            time.sleep(0.02)

    def close(self) -> None:
        self._box.kill()  # and the kernel all that is in it
        self._box.wait()

    @property
    def lives(self) -> bool:
        return self._box.poll() is None

    def run(self, *words: str) -> str:
        """Runs a podman command, which must succeed; gives what it printed, errors too."""
        assert self.lives, self._log.read_text()
        enter = [str(runtime.tool("nsenter")), f"--target={self._inside}", "--mount", "--pid"]
        done = subprocess.run(
            [*enter, "--", "/usr/bin/podman", *words],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def inspect(self, *words: str) -> Json:
        """What podman tells of the one thing that the words name."""
        (told,) = json.loads(self.run(*words))
        return dict(told)


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="not run: podman's box needs root, and you are not",
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not in /tmp, which may lie in memory: the images take 4 GB."""
    with tempfile.TemporaryDirectory(dir=os.environ["TEST_TMPDIR"]) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """The embedded registry of a user who has pushed the images."""
    cache = folder / "cache"
    env = {"PADDLE_IMAGES_CACHE": str(cache), "PATH": "/usr/bin:/bin"}
    for layout in (IMAGES | MOUNTED).values():
        subprocess.run([f"{layout}_push"], env=env, check=True, stdout=subprocess.DEVNULL)
    with runtime.registry(cache / "registry") as number:
        yield number


@pytest.fixture(scope="module")
def podman(folder: Path, port: int) -> Iterator[Podman]:
    # Overlays cannot lie on an overlay, as this machine's disk may be one; vfs copies every layer.
    engine = Podman(folder, "overlay", port)
    if not engine.lives:
        engine = Podman(folder, "vfs", port)
    yield engine
    engine.close()


def reference(name: str, port: int) -> str:
    return f"localhost:{port}/paddle/{name}@{Image((IMAGES | MOUNTED)[name]).digest}"


def ask(url: str, body: bytes | None = None) -> Json:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, data=body, timeout=30) as response:
        return dict(json.load(response))


def wait_for(podman: Podman, container: str, url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            ask(url)
            break
        except OSError:
            logs = podman.run("logs", container)
            state = podman.inspect("container", "inspect", container)["State"]
            assert state["Running"], logs
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_pulled_is_what_was_built(podman: Podman, port: int, name: str) -> None:
    image = Image(IMAGES[name])
    podman.run("pull", "--quiet", reference(name, port))
    pulled = podman.inspect("image", "inspect", reference(name, port))
    assert pulled["Digest"] == image.digest
    assert "sha256:" + pulled["Id"] == image.manifest["config"]["digest"]
    assert pulled["User"] == pulled["Config"]["User"] == USER
    assert pulled["Labels"] == image.config["config"]["Labels"]
    assert pulled["Annotations"] == image.manifest["annotations"]
    assert pulled["Config"]["StopSignal"] == "SIGTERM"
    assert pulled["RootFS"]["Layers"] == image.config["rootfs"]["diff_ids"]


def test_of_an_index_the_machine_that_is_asked_for_is_pulled(
    podman: Podman, port: int, folder: Path
) -> None:
    name = f"localhost:{port}/test/small"
    env = {"PADDLE_IMAGES_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin"}
    command = [str(Path(os.environ["INDEX_PUSH"]).absolute()), "--repository", name]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    listed = json.loads(podman.run("manifest", "inspect", f"{name}:1.0"))["manifests"]
    machines = [entry["platform"]["architecture"] for entry in listed]
    assert machines == ["amd64", "arm64"]
    for machine in machines:
        podman.run("pull", "--quiet", "--arch", machine, f"{name}:1.0")
        pulled = podman.inspect("image", "inspect", f"{name}:1.0")
        assert pulled["Architecture"] == machine


def test_a_model_is_trained_made_smaller_and_served(podman: Podman, port: int) -> None:
    """Each by its image, over one volume; the middle one as a user that no image knows."""
    volume = "--volume=models:/models"
    trained = podman.run("run", "--rm", volume, reference("train", port), "digits", "--steps=5")
    assert "accuracy" in trained
    options = ["--rm", volume, "--user=12345:0", reference("slim", port)]
    paths = ["--model=/models/digits/1", "--out=/models/small/1"]
    podman.run("run", *options, "quantize", "digits", *paths)

    listen = registry.free_port()
    served = ["serve", "--host=127.0.0.1", f"--port={listen}", "--model_repository=/models"]
    podman.run(
        *("run", "--detach", "--name=server", f"{volume}:ro", "--read-only"),
        *("--cap-drop=all", "--security-opt=no-new-privileges"),
        *(reference("inference", port), *served),
    )
    url = f"http://127.0.0.1:{listen}/v2"
    wait_for(podman, "server", f"{url}/models/small")
    request = (SAMPLES / "request.json").read_bytes()
    # Which asks where these arguments say; nobody told it.
    podman.run("exec", "server", "/app/bin/server", "healthcheck")
    for model in ("digits", "small"):
        (logits,) = ask(f"{url}/models/{model}/infer", request)["outputs"]
        assert logits["shape"] == [1, 10]

    podman.run("stop", "server")
    state = podman.inspect("container", "inspect", "server")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), podman.run("logs", "server")


def test_a_model_is_mounted_from_its_image(podman: Podman, port: int) -> None:
    """As docs/models.md says; podman 4 mounts whole images, later ones a folder of them."""
    podman.run("pull", "--quiet", reference("models_digits", port))
    listen = registry.free_port()
    podman.run(
        *("run", "--detach", "--name=mounted", "--read-only", "--cap-drop=all"),
        f"--mount=type=image,source={reference('models_digits', port)},destination=/mnt/digits",
        *(reference("inference", port), "serve", "--host=127.0.0.1", f"--port={listen}"),
        *("--model_repository=/mnt/digits/models", "--model_name=digits"),
    )
    url = f"http://127.0.0.1:{listen}/v2/models/digits"
    wait_for(podman, "mounted", url)
    assert ask(url)["versions"] == ["1"]
    (logits,) = ask(f"{url}/infer", (SAMPLES / "request.json").read_bytes())["outputs"]
    assert logits["shape"] == [1, 10]
    podman.run("stop", "mounted")
