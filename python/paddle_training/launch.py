"""Starts a training program once for each of its processes, on one machine or several.

The program starts itself: `train --processes 2` runs `paddle.distributed.launch`, which runs
`train --processes 2` twice with an environment that tells each of them which it is.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from paddle_training import distributed

PORT = 6070
# In the environment of the processes that are started here.
_LAUNCHED = "PADDLE_IMAGES_LAUNCHED"
_SIOCGIFCONF = 0x8912
_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 20
# What paddle's launcher says of the process that failed first.
_FAILED = re.compile(r"^Container rank (\d+) .* code (-?\d+) log ", re.MULTILINE)


@dataclass(frozen=True)
class Machines:
    """Where the processes run.

    Attributes:
        processes: on each machine; on GPUs each takes one of them.
        hosts: addresses or names of all machines, the same list on each of them; empty for this
            machine alone.
        port: that the first machine listens on, where there are several.
    """

    processes: int = 1
    hosts: tuple[str, ...] = ()
    port: int = PORT

    def starts_others(self, environment: Mapping[str, str] = os.environ) -> bool:
        """Whether this process is to start those that train, and is none of them."""
        return self.processes * max(1, len(self.hosts)) > 1 and (
            "PADDLE_TRAINERS_NUM" not in environment
        )


def parse_hosts(text: str) -> tuple[str, ...]:
    """The machines of a list such as "10.0.0.1,10.0.0.2"."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise click.UsageError(f"--hosts {text!r} has an empty name: write A,B,... with no gaps.")
    return names


def volcano_hosts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The machines of a Volcano Job, as its plugin `svc` tells them; none elsewhere."""
    tasks = {
        name: value
        for name, value in environment.items()
        if re.fullmatch(r"VC_.+_HOSTS", name) and value
    }
    if len(tasks) > 1:
        raise click.UsageError(
            f"This Volcano Job has several tasks ({', '.join(sorted(tasks))}): say by --hosts "
            'which pods train, as in --hosts "$VC_WORKER_HOSTS".'
        )
    return tuple(next(iter(tasks.values())).split(",")) if tasks else ()


def run(machines: Machines) -> NoReturn:
    """Runs this program again as the processes of this machine, and ends when they have ended.

    Lines of the first process that are JSON go to stdout, its others to stderr. Of the other
    processes the last lines are shown if the training fails.
    """
    host, hosts, port = "127.0.0.1", ["127.0.0.1"], _free_port()
    if machines.hosts:
        hosts = [_resolved(name) for name in machines.hosts]
        if len(set(hosts)) < len(hosts):
            raise click.UsageError(f"--hosts names a machine twice: {', '.join(hosts)}.")
        host, port = hosts[_own_index(machines.hosts, hosts)], machines.port
    # Variables of the launcher's own would overrule the options below.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "POD_IP" and not re.match("PADDLE_(?!IMAGES_)", name)
    }
    environment[_LAUNCHED] = "1"
    if interface := _interface_of(host):  # gloo would guess it from the machine's name
        environment.setdefault("GLOO_SOCKET_IFNAME", interface)
    with tempfile.TemporaryDirectory(prefix="paddle_launch_") as folder:
        logs = Path(folder)
        environment["TMPDIR"] = folder  # so that nothing stays of those that are killed
        (logs / "workerlog.0").touch()
        command = [sys.executable, "-m", "paddle.distributed.launch"]
        command += ["--log_level=ERROR", f"--log_dir={logs}", f"--ips={','.join(hosts)}"]
        command += [f"--host={host}", f"--start_port={port}"]
        # Else it would take --log for the start of an option of its own.
        command += [f"--nproc_per_node={machines.processes}", "--", *sys.argv]
        with (logs / "launcher").open("wb") as errors:
            launcher = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                # At SIGTERM it stops its processes.
                preexec_fn=lambda: _end_with_parent(signal.SIGTERM),
            )
        stopped = _follow(launcher, logs / "workerlog.0")
        if stopped is None and launcher.returncode:
            sys.exit(_explain(logs, hosts.index(host) * machines.processes, machines.processes))
    sys.exit(128 + stopped if stopped else 0)


def end_with_launcher() -> None:
    """In a process that `run` started: it ends when the launcher does, however that ends."""
    if os.environ.get(_LAUNCHED):
        _end_with_parent(signal.SIGKILL)


def _follow(launcher: subprocess.Popen[bytes], log: Path) -> int | None:
    """Tells what the first process tells, until the launcher ends; the signal that ended us."""
    signals: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        signals.append(number)
        launcher.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with log.open(encoding="utf-8", errors="replace") as told:
        begun = ""
        while True:
            ended = launcher.poll() is not None  # before the last look
            for line in told:
                begun += line
                if begun.endswith("\n"):
                    click.echo(begun, nl=False, err=not begun.startswith("{"))
                    begun = ""
            if ended:
                return signals[0] if signals else None
            time.sleep(0.1)


def _explain(logs: Path, first: int, processes: int) -> int:
    """Says why the training failed; its exit code."""
    launcher = (logs / "launcher").read_text(encoding="utf-8", errors="replace")
    failed = _FAILED.search(launcher)
    if not failed:
        click.echo(
            f"{launcher}paddle_images: paddle.distributed.launch failed, see above", err=True
        )
        return 1
    local, code = int(failed[1]), int(failed[2])
    for number in {local, *range(1, processes)} - {0}:
        log = logs / f"workerlog.{number}"
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]:
            click.echo(f"process {first + number}: {line}", err=True)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    click.echo(
        f"paddle_images: process {first + local} {how}, so the training has ended. With "
        "--checkpoint, the same command goes on from the newest one.",
        err=True,
    )
    return code if code > 0 else 1


def _end_with_parent(number: int) -> None:
    """Asks the kernel for a signal when the process that started this one has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _resolved(name: str) -> str:
    """The IPv4 address of a machine; names of pods may take a while to be known."""
    seconds = distributed.lost_after()
    last = time.monotonic() + seconds
    told = False
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError as error:
            if time.monotonic() > last:
                raise click.UsageError(f"--hosts: {name}: {error.strerror}") from error
            if not told:
                click.echo(f"--hosts: {name}: {error.strerror}; tries for {seconds:g} s", err=True)
                told = True
            time.sleep(1)


def _own_index(names: tuple[str, ...], addresses: list[str]) -> int:
    """Which machine this one is: as Volcano says, or the one whose address is ours."""
    task = os.environ.get("VC_TASK_INDEX", "")
    if task.isdigit() and names == volcano_hosts():
        return int(task)
    for index, address in enumerate(addresses):
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                continue
            return index
    raise click.UsageError(
        f"--hosts {','.join(names)}: none of them is an address of this machine. Give the same "
        "list on every machine, with the addresses by which the others reach it."
    )


def _interface_of(address: str) -> str | None:
    """The network interface that has an IPv4 address."""
    entries = array("B", bytes(1 << 14))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        where = struct.pack("iL", len(entries), entries.buffer_info()[0])
        length = struct.unpack("iL", fcntl.ioctl(control, _SIOCGIFCONF, where))[0]
    for entry in range(0, length, 40):  # struct ifreq: a name of 16 bytes, a struct sockaddr_in
        if socket.inet_ntoa(entries[entry + 20 : entry + 24]) == address:
            name = entries[entry : entry + 16].tobytes().partition(b"\0")[0].decode()
            return name.partition(":")[0]  # an alias has a label
    return None
