"""The servers that are measured: how each is set up and started, and what it can do."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bench.measure import Tree, pinned
from bench.oip import Model

# Our server's flags, by what its rows are called. A flag that it does not know is dropped where it
# only switches something off; with any other that it does not know, the row is left out.
OURS: dict[str, tuple[str, ...]] = {
    "ours": ("--batching=off",),
    "ours, batching": ("--batching=on", "--max_batch_rows=32"),
}

TRITON, TRITON_BATCHING = "Triton", "Triton, batching"
IDEAL, IDEAL_BATCHING = "ideal", "ideal, batching"
FASTAPI, MLSERVER = "FastAPI", "MLServer"
ENGINE = "engine loop"  # no server: //bench:engine
PEERS = (TRITON, TRITON_BATCHING, IDEAL, IDEAL_BATCHING, FASTAPI, MLSERVER)
JSON_ONLY = (MLSERVER,)
BINARY_ONLY = (IDEAL, IDEAL_BATCHING)

_MAX_ROWS = 32  # of a batch that a server makes, as Triton's max_batch_size
_READY_SECONDS = 180.0  # of a machine that does much else
# One thread a run, as everybody has it on one core; and no server logs requests.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GLOG_minloglevel": "2"}

_TRITON_CONFIG = """\
name: "{name}"
backend: "paddle"
max_batch_size: {rows}
input [ {{ name: "{input}" data_type: TYPE_FP32 dims: {input_shape} }} ]
output [ {{ name: "{output}" data_type: TYPE_FP32 dims: {output_shape} }} ]
instance_group [ {{ kind: KIND_CPU count: {instances} }} ]
{batching}
"""


@dataclass
class Server:
    """One that runs."""

    name: str
    port: int
    grpc_port: int  # -1: none
    process: subprocess.Popen[bytes]
    ready_seconds: float
    log: Path
    tree: Tree = field(init=False)

    def __post_init__(self) -> None:
        self.tree = Tree(self.process.pid)


def _program(variable: str) -> str:
    return str(Path(os.environ[variable]).absolute())


def _run(variable: str) -> list[str]:
    """A program of ours on the locked libraries, as images have it."""
    return [_program("RUN"), _program(variable)]


def environment() -> dict[str, str]:
    """Programs in Python find what they need among our own runfiles."""
    return os.environ | _ENVIRONMENT | {"RUNFILES_DIR": str(Path.cwd().parent)}


def ours(extra: Sequence[str] = ()) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The flags of our server's rows, and what is to be told of rows that are left out.

    `extra`: further rows, each "NAME: FLAGS".
    """
    known = subprocess.run(
        [*_run("SERVER"), "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    rows = dict(OURS)
    for text in extra:
        name, colon, flags = text.partition(":")
        if not colon:
            raise UserError(f'--server {text!r} is not "NAME: FLAGS", as in "ours, 2: --threads=2"')
        rows[name.strip()] = tuple(flags.split())
    found, told = {}, []
    for name, wanted in rows.items():
        unknown = [flag for flag in wanted if flag.partition("=")[0] not in known]
        if all(flag.endswith("=off") for flag in unknown):
            found[name] = tuple(flag for flag in wanted if flag not in unknown)
        else:
            told.append(f"{name}: left out, the server has no {' '.join(unknown)}")
    return found, told


class Site:
    """A folder with the servers' settings, models and logs.

    Rows of ours run the program that the variable SERVER names, or the one in `programs`.
    """

    def __init__(
        self,
        folder: Path,
        our_flags: Mapping[str, Sequence[str]],
        programs: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.our_flags = our_flags
        self._programs = programs or {}

    @contextmanager
    def serving(
        self,
        name: str,
        models: Sequence[Model],
        cores: set[int],
        instances: int = 1,
        grpc: bool = False,
    ) -> Iterator[Server]:
        """A server with these models for the time of a `with`, from when it is ready."""
        port, grpc_port = _free_ports()
        if not grpc:
            grpc_port = -1
        parent = self.folder / file_name(name)
        parent.mkdir(exist_ok=True)
        # Ports come again.
        folder = Path(tempfile.mkdtemp(prefix=f"{port}-", dir=parent))
        command = self._command(name, folder, port, grpc_port, models, instances)
        log = folder / "log"
        # Our server's stdout is its access log.
        stdout = os.devnull if name in self.our_flags else log
        with log.open("ab") as errors, Path(stdout).open("ab") as out, pinned(cores):
            start = time.monotonic()
            context = processes.running(command, env=environment(), stdout=out, stderr=errors)
            process = context.__enter__()
        try:
            _wait(name, process, port, log)
            server = Server(name, port, grpc_port, process, time.monotonic() - start, log)
            try:
                yield server
            finally:  # whatever went wrong because of it
                if (code := process.poll()) is not None:
                    raise UserError(f"{name} ended while it was measured ({code}); see {log}")
        finally:
            context.__exit__(None, None, None)

    def _command(
        self,
        name: str,
        folder: Path,
        port: int,
        grpc_port: int,
        models: Sequence[Model],
        instances: int,
    ) -> list[str]:
        if name in self.our_flags:
            repository = folder / "models"
            for model in models:
                shutil.copytree(model.folder, repository / model.name / "1")
            program = self._programs.get(name, "SERVER")
            command = [*_run(program), "serve", f"--model_repository={repository}"]
            command += [f"--port={port}", f"--grpc_port={grpc_port}", f"--instances={instances}"]
            return [*command, *self.our_flags[name]]
        if name in (TRITON, TRITON_BATCHING):
            return _triton(folder, port, grpc_port, models, instances, name == TRITON_BATCHING)
        if name in (IDEAL, IDEAL_BATCHING):
            (model,) = models
            rows = _MAX_ROWS if name == IDEAL_BATCHING else 1
            command = [*_run("IDEAL"), f"--model={model.folder}", f"--name={model.name}"]
            return [*command, f"--port={port}", f"--batch={rows}"]
        if name == FASTAPI:
            return [_program("FASTAPI"), str(port), *(str(m.folder) for m in models)]
        if name == MLSERVER:
            return _mlserver(folder, port, models)
        raise AssertionError(name)


def file_name(name: str) -> str:
    """A server's name as a folder's or a file's."""
    return name.replace(", ", "-").replace(" ", "_")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _triton(
    folder: Path,
    port: int,
    grpc_port: int,
    models: Sequence[Model],
    instances: int,
    batching: bool,
) -> list[str]:
    repository = folder / "models"
    for model in models:
        shutil.copytree(model.folder, repository / model.name / "1")
        ((source,), (result,)) = (model.metadata[key] for key in ("inputs", "outputs"))
        config = _TRITON_CONFIG.format(
            name=model.name,
            rows=_MAX_ROWS,
            input=source["name"],
            input_shape=source["shape"][1:],
            output=result["name"],
            output_shape=result["shape"][1:],
            instances=instances,
            batching="dynamic_batching { }" if batching else "",
        )
        (repository / model.name / "config.pbtxt").write_text(config)
    backends = Path(_program("TRITON_BACKEND")).parent.parent
    grpc_flags = ["--allow-grpc=false"]
    if grpc_port > 0:
        grpc_flags = ["--allow-grpc=true", "--grpc-address=127.0.0.1", f"--grpc-port={grpc_port}"]
    program = Path(_program("TRITON_WHEEL")) / "pytriton/tritonserver/bin/tritonserver"
    return [
        _program("RUN"),
        str(program),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        "--allow-gpu-metrics=false",
        "--allow-metrics=false",
        "--exit-timeout-secs=1",  # it would wait half a minute for connections that are kept
        "--http-address=127.0.0.1",
        f"--http-port={port}",
        *grpc_flags,
    ]


def _mlserver(folder: Path, port: int, models: Sequence[Model]) -> list[str]:
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": 0,  # it needs one; any does
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    for model in models:
        own = folder / model.name
        own.mkdir()
        told = {
            "name": model.name,
            "implementation": "bench.mlserver_model.PaddleModel",
            "parameters": {"uri": str(model.folder)},
        }
        (own / "model-settings.json").write_text(json.dumps(told))
    return [_program("MLSERVER"), "start", str(folder)]


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > end:
            last = log.read_text(errors="replace").strip().splitlines()[-15:]
            raise UserError(
                f"{name} did not start; {log} says:\n  " + "\n  ".join(last or ["nothing"])
            )
        time.sleep(0.002)
