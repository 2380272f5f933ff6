"""The embedded registry: docker-registry of the lock over a folder of the user's cache.

    registry --docker-registry PROGRAM [--port 5000]      serves it until Ctrl-C

It always listens on loopback, and only while a command needs it. Its images
are named localhost:5000/NAME@DIGEST, the address at which `//images:registry`
serves them, whatever port a push uses in passing.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import http.client
import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say

PORT = 5000
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
http:
  addr: "127.0.0.1:{port}"
  secret: paddle_images
  headers: {{{header}: ["{identity}"]}}
"""
_HEADER = "Paddle-Images-Storage"
_ATTEMPTS = 5


def storage_folder() -> Path:
    return processes.cache_folder() / "registry"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def port_of_name() -> int:
    """The port in the names of images; every command of a machine agrees on it."""
    text = os.environ.get("PADDLE_IMAGES_REGISTRY_PORT", str(PORT))
    try:
        return _port(text)
    except argparse.ArgumentTypeError as error:
        raise UserError(f"PADDLE_IMAGES_REGISTRY_PORT: {error}. Unset it for {PORT}.") from error


def identity(storage: Path) -> str:
    """What our registry over a folder says of itself in every answer."""
    return hashlib.sha256(os.fsencode(storage.resolve())).hexdigest()


def answers(port: int, storage: Path) -> bool:
    """Whether our registry over a folder answers on this port of loopback."""
    try:
        # Not through a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/v2/", timeout=2) as response:
            return bool(response.headers.get(_HEADER) == identity(storage))
    except (OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    with processes.listen(0, "--port") as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _started(program: Path, folder: Path, storage: Path, port: int) -> Iterator[bool]:
    """Runs a registry; gives whether it answers, else it has ended and folder/log says why."""
    config, log = folder / "config.yml", folder / "log"
    values = {"header": _HEADER, "identity": identity(storage), "port": port}
    config.write_text(_CONFIG.format(storage=json.dumps(str(storage)), **values))
    command: list[str | Path] = [program, "serve", config]
    with (
        log.open("wb") as output,
        processes.running(command, stdout=output, stderr=output) as process,
    ):
        deadline = time.monotonic() + 30
        while not (good := answers(port, storage)) and process.poll() is None:
            if time.monotonic() > deadline:
                raise UserError(f"the embedded registry does not answer on 127.0.0.1:{port}")
            time.sleep(0.02)
        yield good


@contextmanager
def serve(program: Path, storage: Path, port: int = 0) -> Iterator[int]:
    """Runs a registry over a folder for the time of a `with`; gives its port."""
    try:
        storage.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {storage}: {error.strerror}") from error
    if port:
        processes.listen(port, "--port").close()
    with tempfile.TemporaryDirectory(prefix="paddle_images_registry_") as temporary:
        folder = Path(temporary)
        # Between finding a free port and listening there another may take it.
        for number in [port] if port else (free_port() for _ in range(_ATTEMPTS)):
            with _started(program, folder, storage, number) as answers_there:
                if answers_there:
                    yield number
                    return
        last = (folder / "log").read_text(errors="replace").strip().splitlines()[-3:]
        raise UserError("the embedded registry did not start:\n  " + "\n  ".join(last))


def _served(storage: Path) -> int:
    """The port at which `//images:registry` serves a folder now, or 0."""
    with suppress(OSError, ValueError):
        port = int((storage / "address").read_text())
        return port if answers(port, storage) else 0
    return 0


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def embedded(program: Path, storage: Path) -> Iterator[int]:
    """The user's registry: the one that is being served, else one of our own."""
    storage.mkdir(parents=True, exist_ok=True)
    with (storage / "lock").open("a") as lock:
        said = False
        while not _try_lock(lock):
            if port := _served(storage):
                yield port
                return
            if not said:
                say("waiting for another push to the embedded registry")
            said = True
            time.sleep(0.1)
        with serve(program, storage) as port:
            yield port


def stored_images(storage: Path) -> list[str]:
    """NAME:TAG and NAME@DIGEST of what a folder holds."""
    repositories = storage / "docker" / "registry" / "v2" / "repositories"
    result = []
    for tags in sorted(repositories.glob("**/_manifests/tags")):
        name = tags.parent.parent.relative_to(repositories)
        for tag in sorted(tags.iterdir()):
            with suppress(OSError):
                digest = (tag / "current" / "link").read_text()
                result.append(f"{name}:{tag.name}  {digest}")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="registry", description="Serves the embedded registry.")
    parser.add_argument("--docker-registry", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=_port, default=port_of_name(), help="default: %(default)s")
    parser.add_argument("--storage", type=processes.user_path, help="default: in the user's cache")
    args = parser.parse_args()
    storage = args.storage or storage_folder()
    storage.mkdir(parents=True, exist_ok=True)
    address = storage / "address"
    with (storage / "lock").open("a") as lock:
        if not _try_lock(lock):
            raise UserError(
                f"another command is serving {storage}: let it end, or stop it by Ctrl-C there"
            )
        try:
            with serve(args.docker_registry, storage, args.port) as port:
                address.write_text(str(port))
                images = stored_images(storage)
                say(f"serving  localhost:{port}  from {storage}, until Ctrl-C")
                for image in images:
                    say(f"         localhost:{port}/{image}")
                if not images:
                    say("         empty: ./bazelw run //images:inference_push")
                while True:
                    time.sleep(3600)
        finally:
            address.unlink(missing_ok=True)


if __name__ == "__main__":
    processes.run_main(main)
