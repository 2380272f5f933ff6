"""Runs the OCR service on this machine, without Kubernetes, until Ctrl-C.

Servers of the very image //images:ocr, each in a container of its own; nginx before them, which
asks another one where one fails; Prometheus, which watches over all. They listen on loopback alone.

A server that ends is started again. To replace all of them, one after the other, by what is built
then, without a request lost:

\b
  ./bazelw build //deploy:local && kill -USR1 PID

PID is told at the start. What they write goes to a folder that is told too, and goes with them.
"""

from __future__ import annotations

import os
import signal
import string
import subprocess
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import click
import yaml

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from deploy import monitoring

_NAME = "ocr"
# For what a server has begun when it is replaced. nginx has tried the other server already with
# some of it, as long as that one was away.
_DRAIN_SECONDS = 60
_STOP_SECONDS = _DRAIN_SECONDS + 5
_GRACE_SECONDS = _STOP_SECONDS + 5
_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 1.0  # before what was never ready is tried again


def _stop_in_order(process: subprocess.Popen[bytes]) -> None:
    processes.stop(process, _GRACE_SECONDS)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError), opener.open(url, timeout=2):
        return True
    return False


class Program:
    """One that runs, on a port of its own, and writes to a file."""

    def __init__(self, name: str, command: list[str], folder: Path, ready: str) -> None:
        """Starts nothing yet. `ready` is a URL that answers 200 when it is."""
        self.name, self.command, self.ready_url = name, command, ready
        self.folder, self.log = folder, folder / f"{name.replace(' ', '')}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = self.was_ready = False
        self._since = 0.0

    def start(self) -> None:
        """Again, if it has run before."""
        self.ready, self._since = False, time.monotonic()
        with self.log.open("ab") as log:
            self.process = processes.start(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def ask(self) -> None:
        """Tells when it has become ready."""
        if self.ready or self.process is None or not _answers(self.ready_url):
            return
        self.ready = self.was_ready = True
        say(
            f"ready    {self.name}, process {self.process.pid}, "
            f"after {time.monotonic() - self._since:.1f} s"
        )

    def ended(self) -> int | None:
        """Its exit code, once."""
        code = self.process.poll() if self.process else None
        if code is not None:
            self.process = None
        return code

    def why(self) -> str:
        """What it wrote last."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        return "".join(f"\n  {line}" for line in lines)


class System:
    """Servers, and what stands before and beside them."""

    def __init__(self, servers: list[Program], others: list[Program]) -> None:
        self.servers, self.others = servers, others
        self._to_replace: deque[Program] = deque()
        self._replaced: set[Program] = set()  # those that end for it
        self._again: dict[Program, float] = {}

    def replace(self) -> None:
        """Has all servers replaced, one after the other."""
        self._to_replace = deque(self.servers)

    def look(self) -> bool:
        """Does what is to be done now; gives whether all is ready."""
        for program in (*self.servers, *self.others):
            if program not in self._replaced:  # it may answer a moment longer
                program.ask()
            if (code := program.ended()) is None:
                continue
            if program in self.others or not program.was_ready:
                raise UserError(f"{program.name} has ended with {code}:{program.why()}")
            say(f"ended    {program.name}, with {code}; it is started again")
            soon = program.ready or program in self._replaced
            self._again[program] = time.monotonic() + (0.0 if soon else _AGAIN_SECONDS)
            self._replaced.discard(program)
            program.ready = False
        for program, due in list(self._again.items()):
            if time.monotonic() >= due:
                del self._again[program]
                program.start()
        all_ready = all(program.ready for program in (*self.servers, *self.others))
        if all_ready and self._to_replace:
            server = self._to_replace.popleft()
            assert server.process  # it is ready
            say(f"replaced {server.name}: it answers what it has begun")
            server.process.terminate()
            server.ready = False
            self._replaced.add(server)
        return all_ready


def _ports(first: int, count: int) -> list[int]:
    """The first and those after it, of which none is taken."""
    ports = list(range(first, first + count))
    for port in ports:
        try:
            processes.listen(port, "--port").close()
        except UserError as error:
            raise UserError(
                f"{error} It takes {first} to {ports[-1]}: nginx, the servers, Prometheus."
            ) from error
    return ports


def _nginx_conf(port: int, servers: list[int]) -> str:
    template = string.Template(Path(__file__).with_name("nginx.conf").read_text(encoding="utf-8"))
    lines = [f"    server 127.0.0.1:{server} max_fails=0;" for server in servers * 2]
    # Started by root it would give its folders to nobody, who need not be there.
    user = "user root;" if os.geteuid() == 0 else ""
    return template.substitute(port=port, servers="\n".join(lines), user=user)


def _prometheus_yaml(servers: list[int], rules: Path) -> str:
    targets = [f"127.0.0.1:{server}" for server in servers]
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": _NAME, "static_configs": [{"targets": targets}]}],
        }
    )


@contextmanager
def _stopped_in_the_end(programs: list[Program]) -> Iterator[None]:
    """All at once are asked to end, and waited for."""
    try:
        yield
    finally:
        running = [program.process for program in programs if program.process]
        say("stopping")
        for process in running:
            if process.poll() is None:
                process.terminate()
        with ExitStack() as stack:
            for process in running:
                stack.callback(_stop_in_order, process)


def _run(system: System, url: str, prometheus: str) -> NoReturn:
    told = False
    while True:
        if system.look() and not told:
            told = True
            say(f"reading  {url}/ocr is a page to try it with, or:")
            say(f"         curl --data-binary @page.png {url}/v1/ocr")
            say(f"watched  {prometheus}")
            say(f"         kill -USR1 {os.getpid()} replaces the servers, one after the other")
            say("         Ctrl-C stops it all")
        time.sleep(_LOOK_SECONDS)


@click.command(help=__doc__)
@click.option("--server", required=True, hidden=True, type=click.Path(path_type=Path))
@click.option("--nginx", required=True, hidden=True, type=click.Path(path_type=Path))
@click.option("--prometheus", required=True, hidden=True, type=click.Path(path_type=Path))
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65000),
    help="Of nginx; the servers and Prometheus have the next ones.",
)
@click.option(
    "--servers", default=2, show_default=True, type=click.IntRange(1, 64), help="How many."
)
def main(server: Path, nginx: Path, prometheus: Path, port: int, servers: int) -> None:
    """Its help text is this file's."""
    front, *behind, watch = _ports(port, servers + 2)
    with tempfile.TemporaryDirectory(prefix="paddle_images_local_") as temporary:
        folder = Path(temporary)
        rules = folder / "rules.yaml"
        rules.write_text(yaml.safe_dump(monitoring.rules(_NAME)), encoding="utf-8")
        conf = folder / "nginx.conf"
        conf.write_text(_nginx_conf(front, behind), encoding="utf-8")
        config = folder / "prometheus.yaml"
        config.write_text(_prometheus_yaml(behind, rules), encoding="utf-8")
        readers = [
            Program(
                f"server {number}",
                [
                    str(server.absolute()),
                    f"--port={of}",
                    f"--stop-timeout={_STOP_SECONDS}",
                    f"--env=PADDLE_SERVER_DRAIN_TIMEOUT_MS={1000 * _DRAIN_SECONDS}",
                ],
                folder,
                f"http://127.0.0.1:{of}/v2/health/ready",
            )
            for number, of in enumerate(behind, start=1)
        ]
        others = [
            Program(
                "nginx",
                [str(nginx.absolute()), "-p", temporary, "-c", str(conf), "-e", "nginx.log"],
                folder,
                f"http://127.0.0.1:{front}/v2/health/live",
            ),
            Program(
                "Prometheus",
                [
                    str(prometheus.absolute()),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder}/metrics",
                    f"--web.listen-address=127.0.0.1:{watch}",
                ],
                folder,
                f"http://127.0.0.1:{watch}/-/ready",
            ),
        ]
        system = System(readers, others)
        signal.signal(signal.SIGUSR1, lambda *_: system.replace())
        say(f"starting {servers} servers, nginx and Prometheus; they write to {folder}")
        with _stopped_in_the_end([*others, *readers]):
            for program in (*readers, *others):
                program.start()
            _run(system, f"http://127.0.0.1:{front}", f"http://127.0.0.1:{watch}")


if __name__ == "__main__":
    processes.run_main(main)
