"""Runs an unpacked image under bubblewrap, as a container engine would.

The program is process 1 of its own namespaces, as the image's user, on a
read-only root, without capabilities and without a way to new privileges. Its
network is a loopback of its own; listeners on the machine's loopback are
forwarded into it, so nothing else can be reached, from inside or from outside.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bazel.image.private import processes
from bazel.image.private.layout import Image
from bazel.image.private.processes import UserError

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
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


def user_of(root: Path, user: str) -> tuple[int, int, str]:
    """UID, GID and home of a config's User, by the image's own passwd and group."""

    def table(name: str) -> list[list[str]]:
        path = root / "etc" / name
        return [line.split(":") for line in path.read_text().splitlines()] if path.exists() else []

    who, _, group = (user or "0").partition(":")
    row = next((row for row in table("passwd") if who in (row[0], row[2])), None)
    if row is None and not who.isdigit():
        raise UserError(f"the image's user {who} is not in its /etc/passwd")
    uid = int(row[2]) if row else int(who)
    gid = int(row[3]) if row else 0
    if group:
        known = next((line for line in table("group") if group in (line[0], line[2])), None)
        if known is None and not group.isdigit():
            raise UserError(f"the image's group {group} is not in its /etc/group")
        gid = int(known[2]) if known else int(group)
    return uid, gid, row[5] if row else "/"


def command_line(bwrap: Path, image: Image, root: Path, options: Options) -> list[str]:
    """The bwrap command of an image; --info-fd is left to the caller."""
    config = image.config["config"]
    uid, gid, home = user_of(root, options.user or config.get("User", ""))
    words = [str(bwrap), "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--as-pid-1", "--hostname", "paddle"]
    words += ["--uid", str(uid), "--gid", str(gid), "--cap-drop", "ALL", "--clearenv"]
    words += ["--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--tmpfs", "/tmp"]
    for volume in sorted(config.get("Volumes") or {}):
        # Writable, and what the image has in it is there.
        words += ["--tmpfs", volume]
        source = root / volume.lstrip("/")
        for child in sorted(source.iterdir()) if source.is_dir() else []:
            words += ["--ro-bind", str(child), f"{volume}/{child.name}"]
    for host, path, writable in options.volumes:
        words += ["--bind" if writable else "--ro-bind", str(host), path]
    env = {"HOME": home} | dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    for name, value in (env | options.env).items():
        words += ["--setenv", name, value]
    words += ["--chdir", config.get("WorkingDir") or "/", "--"]
    if options.entrypoint:  # the image's arguments were meant for the image's program
        command = options.entrypoint + options.command
    else:
        command = (config.get("Entrypoint") or []) + (options.command or config.get("Cmd") or [])
    if not command:
        raise UserError("the image has no entrypoint and no command: give one after `--`")
    return [*words, *command]


def system(root: Path) -> list[str]:
    """Flags of bubblewrap that make an unpacked package set the system of the programs."""
    words = []
    for name in ("bin", "lib", "lib64", "sbin", "usr"):
        words += ["--ro-bind", str(root / name), f"/{name}"]
    return [*words, "--ro-bind", str(root), str(root)]  # links of the root are absolute


def no_namespaces(error: str) -> UserError:
    return UserError(
        f"this machine lets you make no user namespace ({error}), which running an image without "
        "a container engine needs. An administrator enables them by "
        "`sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1` "
        "(on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0); in a container, start "
        "it with `--security-opt seccomp=unconfined`."
    )


def enter_private_network() -> None:
    """Moves this process, which must have one thread, into a network of loopback alone.

    Sockets that are open already stay on the machine's network.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        raise no_namespaces(os.strerror(ctypes.get_errno()))
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    except OSError as error:
        raise no_namespaces(str(error)) from error
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


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
    process: subprocess.Popen[bytes], pid: int, forwards: list[tuple[socket.socket, int]], stop: int
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
            loop.call_later(GRACE_SECONDS, kill, signal.SIGKILL)
        elif loop.time() - asked > ONE_SIGNAL_SECONDS:
            kill(signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    servers = [await asyncio.start_server(_forward_to(to), sock=sock) for sock, to in forwards]
    code = await loop.run_in_executor(None, process.wait)
    for server in servers:
        server.close()
    return code


def run(command: list[str], forwards: list[tuple[socket.socket, int]], stop_signal: str) -> int:
    """Runs a bwrap command until it ends; gives its exit code.

    SIGINT, SIGTERM and SIGHUP become the image's stop signal; another one after
    a second, or ten seconds, ends it for good.
    """
    stop = getattr(signal, "SIG" + (stop_signal or "SIGTERM").removeprefix("SIG"), None)
    if stop is None:
        raise UserError(f"the image's stop signal {stop_signal} is unknown")
    reader, writer = os.pipe()
    words = [command[0], "--info-fd", str(writer), *command[1:]]
    process = processes.start(words, pass_fds=(writer,))
    try:
        os.close(writer)
        pid = child_pid(reader)
        return asyncio.run(_supervise(process, pid or process.pid, forwards, stop))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
