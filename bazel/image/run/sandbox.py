"""Runs an unpacked image under bubblewrap, as a container engine would.

The program is process 1 of its own namespaces, as the image's user, on a
read-only root, without capabilities and without a way to new privileges. Its
network is a loopback of its own; listeners on the machine's loopback are
forwarded into it, so nothing else can be reached, from inside or from outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bazel.image.oci.layout import Image, resolved
from bazel.image.run import emulator

GRACE_SECONDS = 10
# A signal to the whole process group comes twice: from the sender, and from
# the kernel because our parent got it too.
ONE_SIGNAL_SECONDS = 1


@dataclass
class Options:
    """How to run an image, beyond what its config says."""

    command: list[str] = field(default_factory=list)  # instead of Cmd
    env: dict[str, str] = field(default_factory=dict)
    volumes: list[tuple[Path, str, bool]] = field(default_factory=list)  # from, to, writable
    entrypoint: list[str] | None = None
    user: str = ""
    emulators: Path | None = None  # an unpacked package set with QEMU, for images of other machines
    registered: bool = False  # whether the kernel knows what starts their programs


def user_of(root: Path, user: str) -> tuple[int, int, str]:
    """UID, GID and home of a config's User, by the image's own passwd and group."""

    def table(name: str) -> list[list[str]]:
        path = resolved(root, f"etc/{name}")
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        return [row for line in lines if (row := line.split(":"))[2:] and row[2].isdigit()]

    who, _, group = (user or "0").partition(":")
    row = next((row for row in table("passwd") if who in (row[0], row[2])), None)
    if row is None and not who.isdigit():
        raise UserError(f"the image's user {who} is not in its /etc/passwd")
    uid = int(row[2]) if row else int(who)
    gid = int(row[3]) if row and row[3:] and row[3].isdigit() else 0
    if group:
        known = next((line for line in table("group") if group in (line[0], line[2])), None)
        if known is None and not group.isdigit():
            raise UserError(f"the image's group {group} is not in its /etc/group")
        gid = int(known[2]) if known else int(group)
    return uid, gid, row[5] if row and row[5:] else "/"


def volumes(image: Image, root: Path) -> dict[str, Path]:
    """The image's volumes, and where it has them."""
    declared = sorted(image.config["config"].get("Volumes") or {})
    return {volume: resolved(root, volume) for volume in declared}


def command_line(
    image: Image, root: Path, scratch: Path, options: Options
) -> tuple[list[str], list[str]]:
    """Flags of bubblewrap for an image, and the command to run in it.

    The image's volumes are folders of `scratch`, made here.
    """
    config = image.config["config"]
    uid, gid, home = user_of(root, options.user or config.get("User", ""))
    words = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--as-pid-1", "--hostname", "paddle"]
    words += ["--uid", str(uid), "--gid", str(gid), "--cap-drop", "ALL", "--clearenv"]
    words += ["--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--tmpfs", "/tmp"]
    for number, source in enumerate(volumes(image, root).values()):
        # Writable, and what the image has in it is there.
        folder, path = scratch / str(number), "/" + str(source.relative_to(root))
        folder.mkdir()
        words += ["--bind", str(folder), path]
        for child in sorted(source.iterdir()) if source.is_dir() else []:
            inside = f"{path}/{child.name}"
            if child.is_symlink():
                words += ["--symlink", str(child.readlink()), inside]
            else:
                words += ["--ro-bind", str(child), inside]
    for host, path, writable in options.volumes:
        inside = "/" + str(resolved(root, path).relative_to(root))
        words += ["--bind" if writable else "--ro-bind", str(host), inside]
    env = {"HOME": home} | dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    for name, value in (env | options.env).items():
        words += ["--setenv", name, value]
    words += ["--chdir", config.get("WorkingDir") or "/"]
    if options.entrypoint:  # the image's arguments were meant for the image's program
        command = options.entrypoint + options.command
    else:
        command = (config.get("Entrypoint") or []) + (options.command or config.get("Cmd") or [])
    if not command:
        raise UserError("the image has no entrypoint and no command: name one behind the options")
    if emulator.needed(image.architecture):
        flags, start = emulator.start(image.architecture, options.emulators)
        words += flags
        if not options.registered:
            name, path = command[0], (env | options.env).get("PATH", "")
            command = [*start, "-0", name, emulator.found(root, name, path), *command[1:]]
    if nul := next((word for word in words if "\0" in word), None):
        raise UserError(f"the image's config has a NUL byte in {nul!r}")
    return words, command


def written(image: Image, root: Path, scratch: Path) -> dict[str, list[Path]]:
    """Volume -> what a run has put there, as paths in it, but hidden files: caches of programs."""
    result = {}
    for number, (volume, source) in enumerate(volumes(image, root).items()):
        mine, own = scratch / str(number), set()
        if source.is_dir():
            own = {child.name for child in source.iterdir()}
        files = [
            Path(folder, name).relative_to(mine)
            for folder, _, names in os.walk(mine)
            for name in names
        ]
        result[volume] = sorted(
            file
            for file in files
            if file.parts[0] not in own and not any(part.startswith(".") for part in file.parts)
        )
    return result


def system(root: Path) -> list[str]:
    """Flags of bubblewrap that make an unpacked package set the system of the programs."""
    words = []
    for name in ("bin", "lib", "lib64", "sbin", "usr"):
        words += ["--ro-bind", str(root / name), f"/{name}"]
    return [*words, "--ro-bind", str(root), str(root)]  # links of the root are absolute


def child_pid(reader: int) -> int:
    """What bwrap says on --info-fd: the process 1 of the image, as we see it."""
    text = b""
    while data := os.read(reader, 4096):
        text += data
    os.close(reader)
    return int(json.loads(text)["child-pid"]) if text else 0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def _forward_to(
    port: int,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # nothing listens inside, or not yet
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        for end in (writer, there[1]):
            end.close()

    return forward


async def _supervise(
    process: subprocess.Popen[bytes],
    pid: int,
    forwards: list[tuple[socket.socket, int]],
    stop: int,
    grace: float,
) -> int:
    loop = asyncio.get_running_loop()
    asked: float | None = None

    def kill(number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def ask() -> None:
        nonlocal asked
        if asked is None:
            asked = loop.time()
            kill(stop)
            loop.call_later(grace, kill, signal.SIGKILL)
        elif loop.time() - asked > ONE_SIGNAL_SECONDS:
            kill(signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    servers = [await asyncio.start_server(_forward_to(to), sock=sock) for sock, to in forwards]
    code = await loop.run_in_executor(None, process.wait)
    for server in servers:
        server.close()
    return code


def run(
    bwrap: Path,
    words: list[str],
    command: list[str],
    forwards: list[tuple[socket.socket, int]],
    stop_signal: str,
    grace: float = GRACE_SECONDS,
) -> int:
    """Runs a command under bubblewrap until it ends; gives its exit code.

    SIGINT, SIGTERM and SIGHUP become the image's stop signal; another one after
    a second, or so many seconds, ends it for good.
    """
    stop = getattr(signal, "SIG" + (stop_signal or "SIGTERM").removeprefix("SIG"), None)
    if stop is None:
        raise UserError(f"the image's stop signal {stop_signal} is unknown")
    reader, writer = os.pipe()
    # The flags have the environment, and every user of the machine can read command lines.
    flags = os.memfd_create("flags")
    os.write(flags, b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(flags, 0, os.SEEK_SET)
    start = [str(bwrap), "--info-fd", str(writer), "--args", str(flags), "--", *command]
    process = processes.start(start, pass_fds=(writer, flags))
    try:
        os.close(writer)
        os.close(flags)
        pid = child_pid(reader)
        return asyncio.run(_supervise(process, pid or process.pid, forwards, stop, grace))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
