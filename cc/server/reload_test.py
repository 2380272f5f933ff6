"""Models come and go while they are asked, and no request is lost."""

import concurrent.futures
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cc.server.digits import INFER, REQUEST, make_repository
from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, descendants, serving, until

POLL = "--poll_ms=10"


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times1", other="times1")


def factor(server: Server, model: str = "m", version: int | None = None) -> float:
    """That of the version that answers; every value of an answer has the same."""
    status, _, answer = server.call("POST", infer(model, version), request(ROWS))
    assert status == 200, answer
    values = data(answer)
    found = values[1]
    assert values == (found * ROWS).ravel().tolist()
    return float(found)


def until_factor(server: Server, wanted: float) -> None:
    until(lambda: factor(server) == wanted, f"a version with factor {wanted} answers")


@contextmanager
def asked_all_the_time(server: Server, clients: int = 8) -> Iterator[list[float]]:
    """Factors of the answers; at the end all were right."""
    over = threading.Event()
    factors: list[float] = []

    def ask() -> None:
        while not over.is_set():
            factors.append(factor(server))

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask) for _ in range(clients)]
        try:
            yield factors
        finally:
            over.set()
        for one in asking:
            one.result()


def index(server: Server) -> dict[tuple[str, str], dict[str, Any]]:
    status, _, answer = server.call("POST", "/v2/repository/index", "{}")
    assert status == 200
    return {(model["name"], model.get("version", "")): model for model in json.loads(answer)}


def test_a_version_is_replaced_while_clients_ask(tmp_path: Path) -> None:
    models = Repository(tmp_path)
    models.link("m", 1, "times1")
    with serving(models.flag, POLL) as server:
        with asked_all_the_time(server) as factors:
            for wanted in (2, 1, 2, 1, 2):
                models.link("m", 1, f"times{wanted}")
                until_factor(server, wanted)
                # And those that asked meanwhile.
                until(partial(lambda last: factors[-8:] == last, [wanted] * 8))
        assert set(factors) == {1, 2}
        assert server.metric('paddle_server_worker_ends_total{model="m",version="1"}') == 0
        server.stop()
    assert len(server.logged("model loaded", model="m")) == 6
    assert len(server.logged("model unloaded", model="m")) == 5


def test_a_new_number_is_served_and_the_old_ones_go(models: Repository) -> None:
    with serving(models.flag, POLL, "--latest_versions=2") as server:
        with asked_all_the_time(server):
            for version in (2, 3, 4):
                models.put("m", version, f"times{1 + version % 2}")
                until_factor(server, 1 + version % 2)
        until(lambda: [v for n, v in index(server) if n == "m"] == ["3", "4"])
        assert factor(server, version=3) == 2
        assert factor(server, version=4) == 1
        status, _, answer = server.call("POST", infer("m", 1), request(ROWS))
        assert status == 404
        assert data(answer) == 'model "m" has no version 1; there is 3, 4'
        until(lambda: len(server.workers) == 3)


def test_exactly_the_versions_that_were_named_are_served(models: Repository) -> None:
    for version in (2, 3):
        models.put("m", version, "times2")
    with serving(models.flag, "--model_versions=m:1,3") as server:
        assert [v for n, v in index(server) if n == "m"] == ["1", "3"]
        assert factor(server, version=1) == 1
        assert factor(server) == 2


@pytest.mark.parametrize("version", [1, 2], ids=["in its place", "beside it"])
def test_a_broken_version_leaves_the_one_that_works(tmp_path: Path, version: int) -> None:
    models = Repository(tmp_path)
    models.link("m", 1, "times1")
    failed = f'paddle_server_model_loads_total{{model="m",version="{version}",outcome="failed"}}'
    with serving(models.flag, POLL, "--latest_versions=1") as server:
        with asked_all_the_time(server) as factors:
            models.link("m", version, "times2", cut=True)
            until(lambda: server.metric(failed) >= 1)
        assert set(factors) == {1}
        assert "cannot be loaded" in index(server)["m", str(version)]["reason"]
        # Until it is mended.
        models.link("m", version, "times2")
        until_factor(server, 2)
        server.stop()
    (line,) = server.logged("model failed to load", model="m", level="error")
    assert "model.pdmodel" in line["error"] or "model.pdiparams" in line["error"]


def test_a_model_that_cannot_be_loaded_need_not_end_the_start(models: Repository) -> None:
    models.put("broken", 1, "times1", cut=True)
    with serving(models.flag, "--exit_on_error=0") as server:
        assert server.call("GET", "/v2/health/ready")[0] == 200
        assert factor(server) == 1
        assert "cannot be loaded" in index(server)["broken", "1"]["reason"]
        status, _, answer = server.call("POST", infer("broken"), request(ROWS))
        assert status == 503
        assert 'model "broken" version 1 in ' in data(answer)


def test_a_model_that_is_removed_is_unloaded_and_its_memory_goes_back(models: Repository) -> None:
    with serving(models.flag, POLL) as server:
        assert len(server.workers) == 2
        models.remove("m")
        until(lambda: server.call("GET", "/v2/models/m")[0] == 404)
        until(lambda: len(server.workers) == 1)
        assert factor(server, "other") == 1
        assert 'model="m"' not in "".join(
            line
            for line in server.call("GET", "/metrics")[2].decode().splitlines(keepends=True)
            if line.startswith("paddle_server_model_info")
        )
        models.put("m", 7, "times2")
        until(lambda: server.call("GET", "/v2/models/m")[0] == 200)
        assert factor(server) == 2


def test_a_request_outlives_the_model_that_computes_it(models: Repository) -> None:
    with serving(models.flag, POLL, "--instances=1", "--batching=off") as server:
        (workers_of_both) = server.workers
        with concurrent.futures.ThreadPoolExecutor() as pool, server.stopped(*workers_of_both):
            asked = [pool.submit(factor, server) for _ in range(3)]
            until(lambda: server.metric('paddle_server_queue_depth{model="m",version="1"}') == 2)
            models.remove("m")
            until(lambda: server.call("GET", "/v2/models/m")[0] == 404)
        assert [one.result() for one in asked] == [1, 1, 1]
        until(lambda: len(server.workers) == 1)


def test_a_crash_of_a_model_that_was_removed_leaves_nobody_waiting(models: Repository) -> None:
    flags = ["--instances=1", "--batching=off", "--queue_timeout_ms=0"]
    with serving(models.flag, POLL, *flags) as server:
        workers = server.workers
        with concurrent.futures.ThreadPoolExecutor() as pool, server.stopped(*workers):
            ask = partial(server.call, "POST", infer("m"), request(ROWS))
            asked = [pool.submit(ask) for _ in range(3)]
            until(lambda: server.metric('paddle_server_queue_depth{model="m",version="1"}') == 2)
            models.remove("m")
            until(lambda: server.call("GET", "/v2/models/m")[0] == 404)
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            answers = [one.result() for one in asked]
        # The worker stood still before it began with the first of them.
        assert [status for status, _, _ in answers] == [503, 503, 503]
        gone = 'model "m" version 1 has ended, and cannot be loaded again: '
        assert all(data(answer).startswith(gone) for _, _, answer in answers)
        assert factor(server, "other") == 1
        until(lambda: len(server.workers) == 1)


def test_a_load_stalls_nobody(models: Repository) -> None:
    with serving(models.flag, POLL) as server:
        # What starts the new version's worker stands still: a load that lasts.
        with server.stopped(server.spawner):
            models.put("m", 2, "times2")
            models.put("new", 1, "times2")
            until(lambda: ("m", "2") in index(server) and ("new", "1") in index(server))
            assert index(server)["m", "2"]["state"] != "READY"
            assert server.call("GET", "/v2/health/ready")[0] == 200
            assert server.call("GET", "/v2/models/m/versions/2/ready")[0] == 503
            assert server.call("GET", "/v2/models/new/ready")[0] == 503
            status, headers, answer = server.call("POST", infer("new"), request(ROWS))
            assert status == 503
            assert headers["Retry-After"] == "1"
            assert data(answer) == 'model "new" version 1 is being loaded'
            for _ in range(20):
                assert factor(server) == 1
                assert factor(server, "other") == 1
        until_factor(server, 2)
        until(lambda: server.call("GET", "/v2/models/new/ready")[0] == 200)
        assert factor(server, "new") == 2


def switches(pid: int) -> dict[int, int]:
    """How often threads were given a core, by those of the process that are nicer than it is."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if os.getpriority(os.PRIO_PROCESS, int(task.name)) > os.getpriority(os.PRIO_PROCESS, pid):
            status = (task / "status").read_text()
            found[int(task.name)] = sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)", status)))
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_loads_give_way_and_runs_do_not(tmp_path: Path, threads: int) -> None:
    root = make_repository(tmp_path / "models")
    with serving(f"--model_repository={root}", f"--threads={threads}") as server:
        for worker in server.workers:
            # Of more than one thread those that help a load help runs later.
            assert bool(switches(worker)) == (threads == 1)
            until(partial(rests, worker), "what has loaded rests")
        before = [switches(worker) for worker in server.workers]
        for _ in range(50):
            assert server.call("POST", INFER, REQUEST)[0] == 200
        assert [switches(worker) for worker in server.workers] == before


def rests(pid: int) -> bool:
    before = switches(pid)
    time.sleep(0.5)
    return switches(pid) == before


def test_nothing_grows_over_many_reloads(tmp_path: Path) -> None:
    models = Repository(tmp_path)
    models.link("m", 1, "times1")
    with serving(models.flag, POLL) as server:
        pid = server.process.pid

        def held() -> tuple[int, ...]:
            threads = [len(list(Path(f"/proc/{p}/task").iterdir())) for p in (pid, server.spawner)]
            files = [len(list(Path(f"/proc/{p}/fd").iterdir())) for p in (pid, server.spawner)]
            return (len(descendants(pid)), *threads, *files)

        def reload(times: int) -> None:
            for i in range(times):
                models.link("m", 1, f"times{1 + i % 2}")
                until_factor(server, 1 + i % 2)

        models.link("m", 1, "times2")
        until_factor(server, 2)
        before = held()
        reload(50)
        # A scan of the directory has a thread now and then, as an old worker has its last moment.
        until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


def test_a_directory_that_cannot_be_read_leaves_what_is_served(models: Repository) -> None:
    with serving(models.flag, POLL) as server:
        models.root.rename(models.root.with_name("away"))
        until(lambda: server.logged("cannot look for models"))
        assert factor(server) == 1
        models.root.with_name("away").rename(models.root)
        models.put("m", 2, "times2")
        until_factor(server, 2)
        server.stop()
    # Once, not at every look.
    assert len(server.logged("cannot look for models")) <= 2


def test_a_repository_may_have_what_is_no_model(models: Repository) -> None:
    for name in ("lost+found", ".snapshot", "empty", "unreadable"):
        (models.root / name).mkdir()
    (models.root / "unreadable").chmod(0)
    (models.root / "README.md").write_text("models")
    (models.root / "m" / "notes").mkdir()
    with serving(models.flag) as server:
        assert list(index(server)) == [("m", "1"), ("other", "1")]
        server.stop()
    why = [line["why"] for line in server.logged("passed over", level="warning")]
    assert any('"empty"' in line for line in why)


def test_a_folder_that_is_one_model_is_served_and_followed(tmp_path: Path) -> None:
    """As KServe mounts it: the files right there, by other names."""
    models = Repository(tmp_path)
    folder = models.root

    def put(network: str) -> None:
        for file in models.make(network).iterdir():
            file.rename(folder / file.with_stem("inference").name)

    put("times1")
    (folder / "lost+found").mkdir()
    with serving(models.flag, "--model_name=m", POLL) as server:
        assert list(index(server)) == [("m", "1")]
        with asked_all_the_time(server) as factors:
            for wanted in (2, 1, 2):
                put(f"times{wanted}")
                until_factor(server, wanted)
            # Half of it is no model.
            (folder / "inference.pdmodel").rename(folder / "away")
            until(lambda: server.logged("cannot look for models"))
            (folder / "away").rename(folder / "inference.pdmodel")
        assert set(factors) == {1, 2}


def test_a_folder_of_versions_is_one_model(tmp_path: Path) -> None:
    models = Repository(tmp_path)
    for version in (1, 2):
        models.make(f"times{version}").rename(models.root / str(version))
    with serving(models.flag) as server:
        assert list(index(server)) == [("models", "1"), ("models", "2")]
        assert factor(server, "models", version=1) == 1
        assert factor(server, "models") == 2
