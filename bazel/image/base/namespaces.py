"""Namespaces of Linux that one makes without being root, and what to do where one may not."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from bazel.image.base.processes import UserError

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_MS_NOSUID, _MS_NODEV = 2, 4
_libc = ctypes.CDLL(None, use_errno=True)


# Settings that forbid namespaces by their value, and what to set them to; Ubuntu 24.04 has the
# second. The one that limits their number counts in all namespaces around us.
_FORBIDDING = {
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
}


def _forbidden(error: OSError) -> UserError:
    changes = " user.max_user_namespaces=15000" if error.errno == errno.ENOSPC else ""
    for name, (forbidding, value) in _FORBIDDING.items():
        path = Path("/proc/sys", name.replace(".", "/"))
        if path.exists() and path.read_text().strip() == forbidding:
            changes += f" {name}={value}"
    cure = (
        f"`sysctl -w{changes}` as root allows it"
        if changes
        else "a container must be started with `--security-opt seccomp=unconfined`"
    )
    return UserError(
        f"this machine lets you make no user namespace ({error.strerror}), without which nothing "
        f"runs under bubblewrap: {cure}."
    )


def _succeeds(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter(scratch: Path, *, network: bool) -> None:
    """Moves this process, which must have one thread, into namespaces of its own.

    A file system in memory is at `scratch`, which only this process and its children see. With
    `network` there is none but loopback; sockets that are open already stay on the machine's.
    """
    uid, gid = os.getuid(), os.getgid()
    try:
        _succeeds(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS | (_CLONE_NEWNET if network else 0)))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        flags = _MS_NOSUID | _MS_NODEV
        _succeeds(_libc.mount(b"tmpfs", os.fsencode(scratch), b"tmpfs", flags, b"mode=0755"))
        if network:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                request = struct.pack("16sh14x", b"lo", 0)
                told = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
                request = struct.pack("16sh14x", b"lo", told[1] | _IFF_UP)
                fcntl.ioctl(control, _SIOCSIFFLAGS, request)
    except OSError as error:
        raise _forbidden(error) from error


def register(folder: Path, rule: bytes) -> bool:
    """Makes the kernel start programs by a rule of binfmt_misc, here and in what this starts.

    Gives whether it does: since Linux 6.7 each user namespace may have rules of its own. This
    process, which must have one thread, is root in the one that it gets: only root makes rules.
    """
    pid = os.fork()  # first in a child: there is no way back out of a namespace
    if not pid:
        try:
            _register(folder, rule)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        return False
    _register(folder, rule)
    return True


def _register(folder: Path, rule: bytes) -> None:
    uid, gid = os.getuid(), os.getgid()
    _succeeds(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    _succeeds(_libc.mount(b"binfmt_misc", os.fsencode(folder), b"binfmt_misc", 0, None))
    (folder / "register").write_bytes(rule)


def require(scratch: Path) -> None:
    """Raises a UserError where this machine forbids what `enter` does; for tests."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            enter(scratch, network=True)
        except UserError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    if told:
        raise UserError(told)
