"""Runs an image without a container engine: unpacked, under bubblewrap of the lock."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bazel.image.base import namespaces, processes
from bazel.image.base.processes import UserError, say
from bazel.image.oci import layout
from bazel.image.oci.layout import Image
from bazel.image.run import emulator, sandbox

_ATTEMPTS = 3  # more than one, since another command may forget the image meanwhile


def _inventory(root: Path) -> dict[str, list[int]]:
    """Size, time and mode of every file: what a change to the unpacked image would alter."""
    result = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            status = path.lstat()
            key = str(path.relative_to(root))
            result[key] = [status.st_size, status.st_mtime_ns, status.st_mode]
    return result


def _intact(folder: Path) -> bool:
    try:
        recorded = json.loads((folder / "inventory.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(recorded == _inventory(folder / "root"))


def _forget_others(parent: Path, keep: str) -> None:
    """Deletes older unpacked images of this name that nothing runs."""
    for lock_path in parent.glob("*.lock"):
        if lock_path.stem == keep:
            continue
        with lock_path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(parent / lock_path.stem, ignore_errors=True)
            shutil.rmtree(parent / (lock_path.stem + ".partial"), ignore_errors=True)


def _unpack(image: Image, folder: Path) -> None:
    mounts = image.config["config"].get("Volumes") or {}
    try:
        layout.unpack(image, folder / "root")
        for mount in ("proc", "dev", "sys", "tmp", *mounts):
            layout.resolved(folder / "root", mount).mkdir(parents=True, exist_ok=True)
        (folder / "inventory.json").write_text(json.dumps(_inventory(folder / "root")))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(f"cannot unpack the image into {folder.parent}: {error}") from error
        raise


@contextmanager
def unpacked(image: Image, name: str, cache: Path) -> Iterator[Path]:
    """The image's root folder, from the cache or unpacked and checked now.

    It stays as it is while the `with` lasts.
    """
    parent, key = cache / "rootfs" / name, image.digest.partition(":")[2]
    parent.mkdir(parents=True, exist_ok=True)
    folder, partial = parent / key, parent / (key + ".partial")
    with (parent / (key + ".lock")).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for attempt in range(_ATTEMPTS + 1):
            if _intact(folder):
                break
            if attempt == _ATTEMPTS:
                raise UserError(
                    f"{parent} does not keep files as they are written: the image was unpacked "
                    f"{_ATTEMPTS} times, and sizes, times or modes were others each time. Name a "
                    "folder of another file system: --cache FOLDER"
                )
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _intact(folder):  # another command may have been faster
                for old in (folder, partial):
                    if old.exists():
                        shutil.rmtree(old)
                _unpack(image, partial)
                partial.rename(folder)
            _forget_others(parent, key)
            # Between the two locks another process may forget ours.
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder / "root"


def _volume(text: str) -> tuple[Path, str, bool]:
    parts = text.split(":")
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise argparse.ArgumentTypeError(f"{text} is not FOLDER:PATH or FOLDER:PATH:ro")
    return processes.user_path(parts[0]), parts[1], parts[2:] != ["ro"]


def _port(text: str) -> tuple[int, int]:
    host, _, inside = text.partition(":")
    try:
        pair = int(host), int(inside or 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not PORT or PORT:PORT_INSIDE") from None
    if not all(0 <= port <= 65535 for port in pair):
        raise argparse.ArgumentTypeError(f"{text} is out of range")
    return pair


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    if not equals and name not in os.environ:
        raise argparse.ArgumentTypeError(f"{name} is not set here; set it, or say {name}=VALUE")
    return name, value if equals else os.environ[name]


def ports_to_forward(exposed: list[int], wanted: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(port on this machine, port inside) of every exposed port; 0: a free one.

    Whoever moves the first one makes room for another container, so the others move as well.
    """
    first = exposed[0] if exposed else 0
    moved = any(not inside for _, inside in wanted)
    pairs = {port: 0 if moved else port for port in exposed}
    for host, inside in wanted:
        if not (inside or first):
            raise UserError("the image exposes no port: say --port PORT:PORT_INSIDE")
        pairs[inside or first] = host
    return [(host, inside) for inside, host in pairs.items()]


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="run", description=__doc__, usage="%(prog)s [option ...] [argument ...]"
    )
    for name in ("layout", "bwrap"):
        result.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    result.add_argument("--name", required=True, help=argparse.SUPPRESS)
    result.add_argument("--emulators", type=Path, help=argparse.SUPPRESS)
    result.add_argument(
        "-p",
        "--port",
        type=_port,
        action="append",
        default=[],
        help="port of this machine's loopback, as PORT or PORT:PORT_INSIDE; 0 is any free one",
    )
    result.add_argument(
        "-v",
        "--volume",
        type=_volume,
        action="append",
        default=[],
        help="folder of this machine to see inside, as FOLDER:PATH, which is made if it is "
        "missing, or FOLDER:PATH:ro",
    )
    result.add_argument(
        "-e",
        "--env",
        type=_assignment,
        action="append",
        default=[],
        help="variable of the program's environment, as NAME=VALUE, or NAME to hand on this one's; "
        "repeatable",
    )
    result.add_argument("-u", "--user", default="", help="UID[:GID], instead of the image's")
    result.add_argument("--entrypoint", help="program, instead of the image's")
    result.add_argument(
        "--cache", type=processes.user_path, help="where to unpack; default: the user's cache"
    )
    result.add_argument(
        "--network",
        choices=("private", "host"),
        default="private",
        help="private: nothing is reachable but the ports; host: all of this machine's network",
    )
    result.add_argument(
        "--stop-timeout",
        type=float,
        metavar="SECONDS",
        default=sandbox.GRACE_SECONDS,
        help="how long it may take to end when it is asked to; default: %(default)s",
    )
    result.add_argument(
        "argument",
        nargs=argparse.REMAINDER,
        help="arguments, instead of the image's own: all from the first that is no option of these",
    )
    return result


def arguments() -> argparse.Namespace:
    args, unknown = parser().parse_known_args()
    if unknown:
        parser().error(
            f"unknown option {unknown[0]}; if it is the program's: the program's arguments begin "
            f"at the first word without a dash, or after `--`, as in `-- -- {unknown[0]}`"
        )
    if args.argument[:1] == ["--"]:
        del args.argument[0]
    return args


def make_folder(host: Path, path: str, writable: bool) -> None:
    """Makes the folder of a volume, as container engines do; one to read from is a typing error."""
    if not writable:
        raise UserError(f"--volume {host}:{path}:ro: {host} does not exist")
    try:
        host.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"--volume {host}:{path}: cannot make {host}: {error.strerror}") from error
    say(f"made     {host}, for {path}: it did not exist")


def tell_what_is_discarded(image: Image, root: Path, scratch: Path) -> None:
    for volume, files in sandbox.written(image, root, scratch).items():
        if files:
            count = "1 file" if len(files) == 1 else f"{len(files)} files"
            say(f"discarded  {count} in {volume}, e.g. {volume}/{files[0]}")
            say(f"         to keep what is written there: --volume FOLDER:{volume}")


def main() -> int:
    args = arguments()
    image = Image(args.layout)
    config = image.config["config"]
    with unpacked(image, args.name, args.cache or processes.cache_folder()) as root:
        for host, path, writable in args.volume:
            if not layout.resolved(root, path).exists():
                raise UserError(
                    f"--volume {host}:{path}: the image has no {path}, and its root is read-only"
                )
            if not host.exists():
                make_folder(host, path, writable)
        volumes = [(host.resolve(), path, writable) for host, path, writable in args.volume]
        entrypoint = [args.entrypoint] if args.entrypoint else None
        options = sandbox.Options(
            args.argument, dict(args.env), volumes, entrypoint, args.user, args.emulators
        )
        forwards, network = [], "on the machine's network"
        if args.network == "private":
            exposed = [
                int(port.partition("/")[0])
                for port in config.get("ExposedPorts") or {}
                if not port.endswith("/udp")
            ]
            for host_port, inside in ports_to_forward(exposed, args.port):
                forwards.append((processes.listen(host_port, "--port"), inside))
            urls = [
                f"http://127.0.0.1:{sock.getsockname()[1]} leads to its port {inside}"
                for sock, inside in forwards
            ]
            network = ", ".join(urls) or "without a network"
        scratch = root.with_name("scratch")
        scratch.mkdir(exist_ok=True)
        architecture = image.architecture
        emulated = emulator.needed(architecture)
        options.registered = emulated and emulator.register(scratch, architecture)
        namespaces.enter(scratch, network=args.network == "private")
        words, command = sandbox.command_line(image, root, scratch, options)
        user = args.user or config.get("User") or "0"
        say(f"running  {args.name}@{image.digest} as user {user}, on a read-only root")
        if emulated:
            say(f"         under QEMU, as an {architecture} machine would, and many times slower")
        if emulated and not options.registered:
            say("         what it starts itself cannot be run: that takes Linux 6.7")
        say(f"         {network}; Ctrl-C stops it")
        stop_signal = config.get("StopSignal", "")
        bwrap, grace = args.bwrap.absolute(), args.stop_timeout
        code = sandbox.run(bwrap, words, command, forwards, stop_signal, grace)
        tell_what_is_discarded(image, root, scratch)
        return code


if __name__ == "__main__":
    processes.run_main(main)
