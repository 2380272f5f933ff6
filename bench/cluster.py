"""Our server as a cluster runs it: several of them over one repository, replaced by SIGTERM."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bazel.image.base.processes import UserError
from bench.measure import Tree, pinned
from bench.oip import Model
from cc.server.serving import Server

_PROBE_SECONDS = 0.1  # between two looks at a server's readiness, and the time that one may take
_LOAD_SECONDS = 120.0  # that a version may need until it is served
# One thread a run, as the other benchmarks have it on one core.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GLOG_minloglevel": "2"}


class Beside:
    """Threads that work beside a load until they are told to stop; their errors come out then."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def every(self, seconds: float, work: Callable[[], object], first: float = 0) -> None:
        """Does `work` each so many seconds from the first time on, late rather than twice."""

        def loop() -> None:
            try:
                due = time.monotonic() + first
                while not self.over.wait(max(0.0, due - time.monotonic())):
                    work()
                    due = max(due + seconds, time.monotonic())
            except BaseException as error:
                self._errors.append(error)

        self._threads.append(threading.Thread(target=loop))
        self._threads[-1].start()

    def check(self) -> None:
        """Raises what one of them has raised."""
        for error in self._errors:
            raise error

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()


class Loads:
    """Lets one that kills workers wait for those that load, and these wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._killing = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._killing)
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    @contextmanager
    def killing(self) -> Iterator[None]:
        with self._changed:
            self._killing = True
            self._changed.wait_for(lambda: not self._count)
        try:
            yield
        finally:
            with self._changed:
                self._killing = False
                self._changed.notify_all()


class Repository:
    """A directory of models whose versions come and go by renames."""

    def __init__(self, root: Path, models: Sequence[Model]) -> None:
        self.root = root / "models"
        self._aside = root / "aside"
        self._aside.mkdir(parents=True)
        self.root.mkdir()
        self.versions: dict[str, int] = {}  # the last one of each model
        for model in models:
            self.put(model)

    def put(self, model: Model) -> None:
        """Its first version."""
        if model.name in self.versions:
            raise UserError(f"two models are called {model.name}, the second is {model.folder}")
        made = self._aside / model.name
        shutil.copytree(model.folder, made / "1")
        made.rename(self.root / model.name)
        self.versions[model.name] = 1

    def add(self, name: str) -> int:
        """The next version of a model; its files are links to those of the last one."""
        self.versions[name] += 1
        version = self.versions[name]
        made = self._aside / f"{name}-{version}"
        shutil.copytree(self.root / name / str(version - 1), made, copy_function=os.link)
        made.rename(self.root / name / str(version))
        return version

    def remove(self, name: str, version: int) -> None:
        gone = self._aside / f"{name}-{version}"
        (self.root / name / str(version)).rename(gone)
        shutil.rmtree(gone)


def status_of(port: int, path: str, timeout: float = 60) -> int:
    """The status of a GET; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Pod:
    """A running server, what it has logged but its requests, and whether it was ready lately."""

    def __init__(self, folder: Path, cores: set[int], flags: Sequence[str]) -> None:
        with pinned(cores):
            self.server = Server(*flags, read_log=False, env=os.environ | _ENVIRONMENT)
        self.port = self.server.port
        self.grpc_port = self.server.grpc_port
        self.tree = Tree(self.server.process.pid)
        self.ready = True
        self._log = folder / f"log-{self.port}"
        # By a thread of ours: the log of a soak has each request.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        stdout = self.server.process.stdout
        assert stdout is not None
        with self._log.open("w") as log:
            for line in stdout:
                if '"msg":"request"' not in line:
                    log.write(line)
                    log.flush()

    def log(self) -> list[str]:
        return self._log.read_text().splitlines()

    def end(self, number: signal.Signals) -> int:
        """The exit code."""
        self.server.process.send_signal(number)
        try:
            return self.server.process.wait(timeout=_LOAD_SECONDS)
        finally:
            self.server.process.kill()
            self.server.process.wait()
            self._reader.join()


class Service:
    """Servers behind one name: new connections go to those that are ready."""

    def __init__(self, folder: Path, cores: set[int], flags: Sequence[str]) -> None:
        self._folder, self._cores, self._flags = folder, cores, flags
        self.pods: list[Pod] = []
        self.ended: list[Pod] = []
        self.exit_codes: list[int] = []
        self._loads = Loads()

    def start(self) -> Pod:
        try:
            with self._loads.loading():
                pod = Pod(self._folder, self._cores, self._flags)
        except AssertionError as error:
            raise UserError(f"a server of ours did not start: {error}") from error
        self.pods = [*self.pods, pod]
        return pod

    def probe(self) -> None:
        """Looks who is ready, as a kubelet does."""
        for pod in self.pods:
            pod.ready = status_of(pod.port, "/v2/health/ready", timeout=5) == 200

    def ports(self) -> list[str]:
        """Of those that are ready, as bench/load takes them."""
        ready = [pod for pod in self.pods if pod.ready]
        return [str(pod.port) for pod in ready] + [f"grpc:{pod.grpc_port}" for pod in ready]

    def roll(self) -> None:
        """Ends the oldest one as Kubernetes does, and starts another."""
        self._end_oldest()
        self.start()

    def stop(self) -> None:
        """Ends all the same way."""
        while self.pods:
            self._end_oldest()

    def _end_oldest(self) -> None:
        oldest, *others = self.pods
        self.exit_codes.append(oldest.end(signal.SIGTERM))
        self.ended.append(oldest)
        self.pods = others

    def kill_a_worker(self) -> None:
        """One that has loaded: a version whose first load fails is not tried again."""
        with self._loads.killing(), suppress(ProcessLookupError):
            workers = [pid for pod in self.pods for pid in pod.server.workers]
            os.kill(random.choice(workers), signal.SIGKILL)

    def reload(self, repository: Repository, name: str) -> None:
        """A model's next version comes, is served by all who are ready, and the last one goes."""
        with self._loads.loading():
            version = repository.add(name)
            self.wait_for(name, version)
        repository.remove(name, version - 1)

    def wait_for(self, name: str, version: int) -> None:
        """Until all who are ready serve it."""
        path = f"/v2/models/{name}/versions/{version}/ready"
        end = time.monotonic() + _LOAD_SECONDS
        while any(status_of(pod.port, path) != 200 for pod in self.pods if pod.ready):
            if time.monotonic() > end:
                raise UserError(
                    f"version {version} of {name} is not served after {_LOAD_SECONDS:g} s; "
                    f"see the logs in {self._folder}"
                )
            time.sleep(0.02)

    def logged(self, *parts: str) -> list[str]:
        """Lines of all logs so far that have all these parts."""
        lines = [line for pod in [*self.ended, *self.pods] for line in pod.log()]
        return [line for line in lines if all(part in line for part in parts)]


@contextmanager
def service(folder: Path, cores: set[int], *flags: str, count: int = 1) -> Iterator[Service]:
    """Servers for the time of a `with`, from when all are ready."""
    found = Service(folder, cores, flags)
    try:
        for _ in range(count):
            found.start()
        yield found
        for pod in found.pods:
            if (code := pod.server.process.poll()) is not None:
                raise UserError(f"a server ended with {code}; see the logs in {folder}")
    finally:
        for pod in found.pods:
            pod.end(signal.SIGKILL)
