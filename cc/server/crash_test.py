"""A model that crashes, hangs or takes too much costs its own requests, and nobody else's."""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, alive, descendants, run, serving, until

# More boxes than there are: Paddle's kernel writes as many, beyond its memory.
CRASH = request([[2**30, 0, 0, 0]], "INT64")
FITS = request([[1, 1, 1, 1]], "INT64")
ENDS = 'paddle_server_worker_ends_total{model="%s",version="1"}'
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, times="times2", boxes="boxes")


@contextlib.contextmanager
def others_are_served(server: Server) -> Iterator[None]:
    """Another model's answers are right, and the server is well, all the time."""
    over = threading.Event()

    def ask(start: int) -> int:
        count = 0
        while not over.is_set() or count == 0:
            x = (ROWS + start + count).astype(np.float32)
            status, _, answer = server.call("POST", infer("times"), request(x))
            assert status == 200, answer
            assert data(answer) == (2 * x).ravel().tolist()
            for probe in ("live", "ready"):
                assert server.call("GET", f"/v2/health/{probe}")[0] == 200
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = [pool.submit(ask, start) for start in (0, 1000)]
        try:
            yield
        finally:
            over.set()
        assert all(done.result() > 0 for done in asked)


def test_a_crash_costs_the_requests_of_that_model_only(models: Repository) -> None:
    with serving(models.flag) as server:
        with others_are_served(server):
            before = server.call("POST", infer("boxes"), FITS)
            assert before[0] == 200
            for crashes in (1, 2, 3):
                status, _, answer = server.call("POST", infer("boxes"), CRASH)
                assert status == 500
                assert data(answer) == (
                    'model "boxes" version 1: its worker process was ended by signal 11 '
                    "(Segmentation fault) while it computed this request"
                )
                # The next one waits until the model is there again.
                assert server.call("POST", infer("boxes"), FITS)[2] == before[2]
                assert server.metric(ENDS % "boxes") == crashes
            assert server.metric(ENDS % "times") == 0
            assert server.metric('paddle_server_model_up{model="boxes",version="1"}') == 1
        server.stop()
    ends = server.logged("worker ended", model="boxes", version="1", level="error")
    assert [line["starts_again_seconds"] for line in ends] == [0, 0, 0]
    assert "signal 11" in ends[0]["why"]
    assert len(server.logged("worker started again", model="boxes")) == 3


def test_a_model_without_a_worker_is_not_ready(models: Repository) -> None:
    boxes, away = models.root / "boxes", models.root.with_name("away")
    ready = "/v2/models/boxes/ready"
    with serving(models.flag) as server, others_are_served(server):
        assert server.call("GET", ready)[0] == 200
        # So that it cannot start again.
        boxes.rename(away)
        assert server.call("POST", infer("boxes"), CRASH)[0] == 500
        until(lambda: "could not load the model" in data_or_nothing(server, ready))
        status, headers, _ = server.call("GET", ready)
        assert (status, headers["Retry-After"]) == (503, "1")
        _, _, index = server.call("POST", "/v2/repository/index")
        (entry,) = [entry for entry in json.loads(index) if entry["name"] == "boxes"]
        assert entry["state"] == "UNAVAILABLE"
        assert "starts again" in entry["reason"]
        away.rename(boxes)
        until(lambda: server.call("POST", infer("boxes"), FITS)[0] == 200)
        assert server.call("GET", ready)[0] == 200


def data_or_nothing(server: Server, path: str) -> str:
    """What an error says; nothing where there is none."""
    status, _, answer = server.call("GET", path)
    return "" if status == 200 else str(data(answer))


def test_every_request_of_a_worker_that_is_killed_is_answered(tmp_path: Path) -> None:
    models = Repository(tmp_path, times="times2")
    with serving(models.flag, "--instances=2", "--batching=off") as server:
        (worker,) = server.workers
        with server.stopped(worker), concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [
                pool.submit(server.call, "POST", infer("times"), request(ROWS)) for _ in range(8)
            ]
            depth = 'paddle_server_queue_depth{model="times",version="1"}'
            until(lambda: server.metric(depth) == 6)
            os.kill(worker, signal.SIGKILL)
            # It had begun none of them, not even the two that it was given.
            for done in asked:
                status, _, answer = done.result()
                assert (status, data(answer)) == (200, (2 * ROWS).ravel().tolist())
        assert server.workers != [worker]


def test_a_crash_costs_none_of_the_requests_that_went_with_it(tmp_path: Path) -> None:
    models = Repository(tmp_path, boxes="boxes")
    wanted = [FITS, FITS, CRASH, FITS, CRASH, FITS]
    running = 'paddle_server_running{model="boxes",version="1"}'
    depth = 'paddle_server_queue_depth{model="boxes",version="1"}'
    with serving(models.flag, "--instances=1", "--batching=off") as server:
        fits = server.call("POST", infer("boxes"), FITS)[2]
        (worker,) = server.workers
        with (
            concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool,
            server.stopped(worker),
        ):
            asked: list[concurrent.futures.Future[tuple[int, dict[str, str], bytes]]] = []
            # The first one is given to the worker alone, and the others, where runs are short,
            # in one message after it.
            for body in wanted:
                asked.append(pool.submit(server.call, "POST", infer("boxes"), body))
                until(lambda: server.metric(running) + server.metric(depth) == len(asked))
        for body, done in zip(wanted, asked, strict=True):
            status, _, answer = done.result()
            assert status == (500 if body == CRASH else 200), answer
            assert body == CRASH or answer == fits
        assert server.metric(ENDS % "boxes") == 2


def test_a_run_without_end_is_ended(models: Repository) -> None:
    models.put("rounds", 1, "rounds")
    with (
        serving(models.flag, "--run_timeout_ms=3000") as server,
        others_are_served(server),
    ):
        status, _, answer = server.call("POST", infer("rounds"), request([10**12], "INT64"))
        assert status == 504
        assert "a run took longer than --run_timeout_ms=3000" in data(answer)
        status, _, answer = server.call("POST", infer("rounds"), request([3], "INT64"))
        assert (status, data(answer)) == (200, [3])
        assert server.metric(ENDS % "rounds") == 1


def test_a_model_has_no_more_memory_than_it_may(models: Repository) -> None:
    models.put("fill", 1, "fill")
    with (
        serving(models.flag, "--worker_memory_mb=2048") as server,
        others_are_served(server),
    ):
        for gibibytes in (3, 7):
            wanted = request([gibibytes << 28], "INT64")
            status, _, answer = server.call("POST", infer("fill"), wanted)
            assert status == 500
            assert 'model "fill" version 1: ' in data(answer)
            status, _, answer = server.call("POST", infer("fill"), request([1000], "INT64"))
            assert (status, data(answer)) == (200, [1000])


def test_workers_stay_on_the_processors_of_the_server(models: Repository) -> None:
    one = {min(os.sched_getaffinity(0))}
    flags = (models.flag, "--instances=0")
    with serving(*flags, preexec_fn=lambda: os.sched_setaffinity(0, one)) as server:
        server.call("POST", infer("times"), request(ROWS))
        assert len(server.workers) == 2
        for worker in server.workers:
            threads = [int(path.name) for path in Path(f"/proc/{worker}/task").iterdir()]
            assert all(os.sched_getaffinity(thread) == one for thread in threads)


def test_the_kernel_ends_a_model_before_the_server(models: Repository) -> None:
    with serving(models.flag) as server:

        def score(pid: int) -> int:
            return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

        assert len(server.workers) == 2
        for worker in server.workers:
            assert score(worker) > score(server.process.pid)
        assert score(server.spawner) == score(server.process.pid)


def test_a_model_that_crashes_at_load_ends_the_start(tmp_path: Path) -> None:
    models = Repository(tmp_path, times="times1")
    os.truncate(models.root / "times/1/model.pdmodel", 100)
    done = run("serve", "--port=0", models.flag)
    assert done.returncode == 1
    assert 'model "times" version 1 in ' in done.stderr


def test_the_server_ends_with_an_error_without_what_starts_workers(models: Repository) -> None:
    with serving(models.flag) as server, concurrent.futures.ThreadPoolExecutor() as pool:
        with server.stopped(*server.workers):
            asked = pool.submit(server.call, "POST", infer("times"), request(ROWS))
            until(lambda: server.metric('paddle_server_running{model="times",version="1"}') == 1)
            os.kill(server.spawner, signal.SIGKILL)
            # What was being computed is told before.
            assert asked.result()[0] == 500
        assert server.process.wait(timeout=60) == 1
        server.reader.join()
        assert server.log[-1]["level"] == "error"
        assert "the process that starts the models' workers has ended" in server.log[-1]["error"]


@pytest.fixture
def orphans() -> Iterator[None]:
    """Processes whose parents end become children of this one, so that they are seen."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGABRT], ids=lambda n: n.name
)
def test_no_process_is_left(models: Repository, number: signal.Signals) -> None:
    with serving(models.flag, "--instances=2", "--drain_timeout_ms=10") as server:
        below = descendants(server.process.pid)
        assert len(below) == 3
        # Amid a run too.
        with server.stopped(*server.workers), concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(server.call, "POST", infer("times"), request(ROWS))
            until(lambda: server.metric('paddle_server_running{model="times",version="1"}') == 1)
            server.process.send_signal(number)
            if number in (signal.SIGKILL, signal.SIGABRT):
                with pytest.raises(ConnectionError):
                    asked.result()
        server.process.wait(timeout=60)
        until(lambda: not any(alive(pid) for pid in below), "no process is left")


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
@pytest.mark.parametrize("first", [True, False], ids=["at start", "later"])
def test_a_load_without_end_does_not_delay_the_end(
    models: Repository, first: bool, number: signal.Signals
) -> None:
    # It loads for as long as its first run takes.
    if first:
        models.put("endless", 1, "endless")
    with serving(models.flag, "--poll_ms=10", started="listening") as server:
        if not first:
            until(lambda: server.logged("ready"))
            models.put("endless", 1, "endless")
        until(lambda: len(server.workers) == 3)
        below = descendants(server.process.pid)
        assert server.call("GET", "/v2/models/endless/ready")[0] == 503
        assert server.call("GET", "/v2/health/ready")[0] == (503 if first else 200)
        assert server.stop(number) == 0
        until(lambda: not any(alive(pid) for pid in below), "no process is left")
    assert server.log[-1]["msg"] == "stopped"


@pytest.mark.usefixtures("orphans")
def test_no_process_is_left_by_a_start_that_fails(models: Repository) -> None:
    models.put("broken", 1, "times1", cut=True)
    before = descendants(os.getpid())
    assert run("serve", "--port=0", models.flag).returncode == 1
    until(lambda: descendants(os.getpid()) == before)


def _block_and_ignore_signals() -> None:
    """As supervisors do for themselves, and forget before they start others."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_signals_that_the_parent_has_blocked_are_heard(models: Repository) -> None:
    with serving(models.flag, preexec_fn=_block_and_ignore_signals) as server:
        assert server.call("POST", infer("boxes"), CRASH)[0] == 500
        assert server.call("POST", infer("boxes"), FITS)[0] == 200
        assert server.stop() == 0


def test_ids_beyond_a_table_are_refused_before_the_model_sees_them(models: Repository) -> None:
    models.put("embedding", 1, "embedding")
    with serving(models.flag) as server:
        for wrong in (100, -1, 2**40):
            status, _, answer = server.call(
                "POST", infer("embedding"), request([[0, 1, wrong, 3]], "INT64")
            )
            assert status == 400
            assert f"is {wrong}, the model takes 0 to 99" in data(answer)
        fits = request([[0, 1, 2, 99]], "INT64")
        status, _, answer = server.call("POST", infer("embedding"), fits)
        assert status == 200
        assert np.array_equal(data(answer), np.ones(32))
        assert server.metric(ENDS % "embedding") == 0
