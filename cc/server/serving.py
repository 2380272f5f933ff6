"""A client that is not ours, and the server program as tests run it."""

import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http
import tritonclient.utils
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def program() -> list[str]:
    """The command, of the environment that Bazel gives a test."""
    return [os.environ["RUN"], os.environ["SERVER"]]


def array_names(tensors: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the arrays of a model's inputs or outputs: NAME, and NAME.lod for sequences."""
    names = []
    for tensor in tensors:
        names += [tensor["name"], *([f"{tensor['name']}.lod"] if tensor.get("lod_level") else [])]
    return names


def lod_of(name: str, arrays: Arrays) -> list[list[int]]:
    """The levels of offsets of a tensor, from the array NAME.lod beside it; none without."""
    lod = arrays.get(f"{name}.lod")
    return [] if lod is None else [lod.tolist()]


def with_lod(
    names: Iterable[str],
    arrays: Iterable[NDArray[Any]],
    lods: Iterable[Sequence[Sequence[int]]],
) -> Arrays:
    """Arrays by name, and NAME.lod after each whose rows are sequences."""
    found: Arrays = {}
    for name, array, lod in zip(names, arrays, lods, strict=True):
        found[name] = array
        if lod:
            (level,) = lod
            found[f"{name}.lod"] = np.array(level, np.int64)
    return found


def infer(
    url: str,
    model: str,
    inputs: Arrays,
    outputs: Iterable[str],
    binary_in: bool = True,
    binary_out: bool = True,
    **options: Any,
) -> Arrays:
    """Asks the server at HOST:PORT by tritonclient; what is not binary is JSON.

    Arrays NAME.lod beside inputs and outputs are offsets of sequences.
    """
    tensors = []
    for name, array in inputs.items():
        if name.endswith(".lod"):
            continue
        datatype = tritonclient.utils.np_to_triton_dtype(array.dtype)
        tensors.append(tritonclient.http.InferInput(name, list(array.shape), datatype))
        tensors[-1].set_data_from_numpy(array, binary_data=binary_in)
        for level in lod_of(name, inputs):
            tensors[-1]._parameters["lod"] = level  # this client has no public way
    outputs = [name for name in outputs if not name.endswith(".lod")]
    wanted = [tritonclient.http.InferRequestedOutput(o, binary_data=binary_out) for o in outputs]
    with tritonclient.http.InferenceServerClient(url) as client:
        answer = client.infer(model, tensors, outputs=wanted, **options)
    told = [answer.get_output(name).get("parameters", {}).get("lod") for name in outputs]
    lods = [[level] if level else [] for level in told]
    return with_lod(outputs, [answer.as_numpy(name) for name in outputs], lods)


def until(condition: Callable[[], Any], what: str = "it has come to pass") -> Any:
    """Waits until it is so, and gives what it says; as long as a loaded machine may need."""
    end = time.monotonic() + 60
    while not (result := condition()):
        assert time.monotonic() < end, f"in vain: until {what}"
        time.sleep(0.01)
    return result


def _stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process; None if it is gone."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def alive(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def stands_still(pid: int) -> bool:
    """Whether all its threads are stopped."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def page_faults(pid: int) -> int:
    """Pages that the system has made for it, without reading a file."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def descendants(pid: int) -> list[int]:
    """The processes below one, those of its children after it."""
    pids = sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    parents = {child: stat[1] for child in pids if (stat := _stat(child)) and alive(child)}
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def read_log_until(message: str, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """The lines of a server that starts, up to the first one with this message."""
    assert process.stdout is not None
    log: list[dict[str, Any]] = []
    for line in process.stdout:
        log.append(json.loads(line))
        if log[-1]["msg"] == message:
            return log
    raise AssertionError(f"it did not start: exit code {process.wait()}")


class Server:
    """A running server and what it has logged.

    It is `ready`, or as far as another message of its log says.
    """

    def __init__(
        self,
        *flags: str,
        started: str = "ready",
        read_log: bool = True,
        max_files: int = 0,
        **options: Any,
    ) -> None:
        files = max_files or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (files, files))
        self.process = subprocess.Popen(
            [*program(), "serve", "--port=0", *flags],
            stdout=subprocess.PIPE,
            text=True,
            **{"preexec_fn": limit, **options},
        )
        self.log = read_log_until(started, self.process)
        (listening,) = self.logged("listening")
        self.port: int = listening["port"]
        self.grpc_port: int = listening.get("grpc_port", 0)
        # The rest is read beside the test, as far as it is not about a reader that stops.
        self.reader = threading.Thread(target=self._read)
        if read_log:
            self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(json.loads(line))

    def read_log(self) -> None:
        """Reads on, to the end."""
        if self.reader.ident is None:
            self.reader.start()

    def logged(self, message: str, **fields: Any) -> list[dict[str, Any]]:
        """Lines so far with this message and these fields."""
        wanted = {"msg": message, **fields}
        return [line for line in self.log if wanted.items() <= line.items()]

    @property
    def spawner(self) -> int:
        """The process that starts workers."""
        return next(
            child
            for child in descendants(self.process.pid)
            if (stat := _stat(child)) and stat[1] == self.process.pid
        )

    @property
    def workers(self) -> list[int]:
        """Those that run models."""
        return [pid for pid in descendants(self.process.pid) if name_of(pid) == "paddle_worker"]

    @contextlib.contextmanager
    def stopped(self, *pids: int) -> Iterator[None]:
        """Processes of it that stand still meanwhile."""
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            # Each thread goes on until it comes to a place where it can stop.
            until(lambda: all(stands_still(pid) for pid in pids))
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def refuses(self) -> bool:
        """Whether it takes no connections any more."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # It was waiting at the listener when that was closed.
        return False

    def status(self, name: str) -> int:
        """A number of /proc/PID/status: VmHWM in bytes, Threads."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = re.findall(f"^{name}:(.*)$", text, re.MULTILINE)
        number, *unit = line.split()
        return int(number) * (1024 if unit else 1)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def call(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def metric(self, series: str) -> float:
        text = self.call("GET", "/metrics")[2].decode()
        found = re.search(f"^{re.escape(series)} (.*)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        if self.reader.ident is not None:
            self.reader.join()
        return code


@contextlib.contextmanager
def serving(*flags: str, **options: Any) -> Iterator[Server]:
    server = Server(*flags, **options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        server.read_log()
        server.reader.join()


def run(
    *arguments: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program(), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (env or {}),
    )
