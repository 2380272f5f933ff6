"""What waits is computed together, in its order, once, and without copies."""

import concurrent.futures
import contextlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from cc.server import serving as client
from cc.server.digits import IMAGES, make_repository
from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, serving, until

OF_MODEL = '{model="m",version="1"}'
DEPTH = f"paddle_server_queue_depth{OF_MODEL}"
RUNS = f"paddle_server_batch_requests_count{OF_MODEL}"
REQUESTS = f"paddle_server_batch_requests_sum{OF_MODEL}"


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


Asked = list["concurrent.futures.Future[tuple[int, dict[str, str], bytes]]"]


class Queue:
    """Requests that wait while the model's worker stands still."""

    def __init__(self, server: Server, pool: concurrent.futures.Executor) -> None:
        self.server = server
        self.pool = pool
        self.asked: Asked = []

    def ask(self, body: str | bytes, waits: bool = True, **headers: str) -> None:
        before = self.server.metric(DEPTH)
        self.asked.append(self.pool.submit(self.server.call, "POST", infer("m"), body, **headers))
        if waits:
            until(lambda: self.server.metric(DEPTH) == before + 1)
        else:
            until(lambda: self.server.metric(f"paddle_server_running{OF_MODEL}") == 1)


@contextlib.contextmanager
def queueing(server: Server) -> Iterator[Queue]:
    """The first request keeps the only instance busy."""
    with concurrent.futures.ThreadPoolExecutor(64) as pool, server.stopped(*server.workers):
        queue = Queue(server, pool)
        queue.ask(request(ROWS), waits=False)
        yield queue


@pytest.mark.parametrize("flags", [["--batching=off"], ["--batching=on"], ["--instances=2"]])
def test_no_answer_is_another_clients(models: Repository, flags: list[str]) -> None:
    with serving(models.flag, *flags) as server:

        def ask(client: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            for i in range(300):
                x = np.full((1 + i % 5, 4), client * 1000 + i, np.float32)
                connection.request(
                    "POST", infer("m"), x.tobytes(), {"Inference-Header-Content-Length": "0"}
                )
                response = connection.getresponse()
                assert response.status == 200
                assert response.read()[-x.nbytes :] == (2 * x).tobytes()
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))


@pytest.mark.parametrize(
    ("flag", "runs", "why"),
    [
        ("--batching=auto", 2, "answers were the same bits alone and in company"),
        ("--batching=on", 2, "on by --batching=on"),
        ("--batching=off", 9, "off by --batching=off"),
        ("--max_batch_rows=4", 5, "answers were the same bits alone and in company"),
        ("--max_batch_rows=1", 9, "off by --max_batch_rows=1"),
    ],
)
def test_requests_that_wait_are_computed_together(
    models: Repository, flag: str, runs: int, why: str
) -> None:
    with serving(models.flag, flag) as server:
        with queueing(server) as queue:
            for i in range(8):
                queue.ask(request(ROWS + i))
        for i, asked in enumerate(queue.asked[1:]):
            status, _, answer = asked.result()
            assert (status, data(answer)) == (200, (2 * (ROWS + i)).ravel().tolist())
        assert server.metric(RUNS) == runs
        assert server.metric(REQUESTS) == 9
        server.stop()
    (line,) = server.logged("model loaded", batching=runs < 9)
    assert why in line["batching_why"]


def test_one_bad_request_of_a_batch_is_refused_alone(tmp_path: Path) -> None:
    """Whose values lead out of the table is found in the run, which all of them share."""
    models = Repository(tmp_path, m="gather")
    row = np.zeros((1, 4), np.int64)
    bad = (2, 5)
    with serving(models.flag, "--batching=on") as server:
        with (
            concurrent.futures.ThreadPoolExecutor(64) as pool,
            server.stopped(*server.workers),
        ):
            queue = Queue(server, pool)
            queue.ask(request(row, "INT64"), waits=False)
            for i in range(8):
                queue.ask(request(row + (25 if i in bad else 24), "INT64"))
        for i, asked in enumerate(queue.asked[1:]):
            status, _, answer = asked.result()
            if i in bad:
                assert status == 400
                assert "operator gather: an element of sum_0.tmp_0 is out of range" in data(answer)
            else:
                assert (status, data(answer)) == (200, [1] * 8)
        # Those that were answered had runs of their own; those that were not have none.
        assert server.metric(RUNS) == server.metric(REQUESTS) == 7


def test_what_does_not_fit_a_part_is_refused_before_it_waits(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="first")
    with serving(models.flag) as server:
        with (
            concurrent.futures.ThreadPoolExecutor(8) as pool,
            server.stopped(*server.workers),
        ):
            queue = Queue(server, pool)
            queue.ask(request([[99, 100, -1, 2**40]], "INT64"), waits=False)
            queue.ask(request([[0, 100, -1, 2**40]], "INT64"))
            status, _, answer = server.call("POST", infer("m"), request([[100, 0, 0, 0]], "INT64"))
            assert status == 400
            assert data(answer) == (
                'model "m" version 1: input x[:, 0:1]: element 0 is 100, the model takes 0 to 99 '
                "(row of an embedding table of 100 rows)"
            )
        assert [asked.result()[0] for asked in queue.asked] == [200, 200]


def test_company_does_not_change_a_bit(tmp_path: Path) -> None:
    models = make_repository(tmp_path)
    with serving(f"--model_repository={models}", "--model_versions=digits:1") as server:
        alone = [ask_digits(server, i) for i in range(40)]
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            with server.stopped(*server.workers):
                # The first one alone, so that the others wait.
                asked = [pool.submit(ask_digits, server, 0)]
                of_model = '{model="digits",version="1"}'
                until(lambda: server.metric(f"paddle_server_running{of_model}") == 1)
                asked += [pool.submit(ask_digits, server, i) for i in range(1, 40)]
                until(lambda: server.metric(f"paddle_server_queue_depth{of_model}") == 39)
            together = [one.result() for one in asked]
        assert together == alone
        # 40 alone, the one that kept the instance busy, and 78 rows by 32.
        assert server.metric(f"paddle_server_batch_requests_count{of_model}") == 40 + 1 + 3


def test_company_does_not_change_a_bit_of_a_convolution(tmp_path: Path) -> None:
    (tmp_path / "cnn").mkdir()
    (tmp_path / "cnn" / "1").symlink_to(Path(os.environ["SIMPLE_CNN"]).absolute())
    x = np.random.default_rng(0).random((33, 3, 32, 32), np.float32)
    with (
        serving(f"--model_repository={tmp_path}") as server,
        triton.InferenceServerClient(server.url) as asking,
        concurrent.futures.ThreadPoolExecutor(33) as pool,
    ):
        metadata = asking.get_model_metadata("cnn")
        (given,), (wanted,) = metadata["inputs"], metadata["outputs"]
        assert given["shape"][1:] == [3, 32, 32]

        def ask(i: int) -> bytes:
            row = {given["name"]: x[i : i + 1]}
            return client.infer(server.url, "cnn", row, [wanted["name"]])[wanted["name"]].tobytes()

        alone = [ask(i) for i in range(33)]
        with server.stopped(*server.workers):
            asked = [pool.submit(ask, 0)]
            of_model = '{model="cnn",version="1"}'
            until(lambda: server.metric(f"paddle_server_running{of_model}") == 1)
            asked += [pool.submit(ask, i) for i in range(1, 33)]
            until(lambda: server.metric(f"paddle_server_queue_depth{of_model}") == 32)
        assert [one.result() for one in asked] == alone
        # If it is computed together at all, which the trial at load has found.
        (line,) = server.logged("model loaded")
        runs = server.metric(f"paddle_server_batch_requests_count{of_model}")
        assert runs == 33 + (2 if line["batching"] else 33)


def ask_digits(server: Server, i: int) -> bytes:
    rows = 1 + i % 3
    answer = client.infer(server.url, "digits", {"x": IMAGES[i : i + rows]}, ["logits"])
    assert answer["logits"].shape == (rows, 10)
    return answer["logits"].tobytes()


def test_other_shapes_and_types_are_not_mixed(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="times2")
    with serving(models.flag) as server:
        with queueing(server) as queue:
            for rows in (1, 5, 2, 31, 40, 3):
                x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
                queue.ask(request(x))
        for rows, asked in zip((1, 5, 2, 31, 40, 3), queue.asked[1:], strict=True):
            status, _, answer = asked.result()
            assert status == 200
            assert data(answer) == [2.0 * value for value in range(4 * rows)]


def test_a_request_whose_time_is_up_is_told_and_not_computed(models: Repository) -> None:
    with serving(models.flag, "--batching=off") as server:
        with queueing(server) as queue:
            queue.ask(request(ROWS, timeout=50_000), waits=False)
            status, _, answer = queue.asked[-1].result()
            assert status == 504
            assert "waited for longer than it may" in data(answer)
        assert queue.asked[0].result()[0] == 200
        assert server.call("POST", infer("m"), request(ROWS, timeout=60_000_000))[0] == 200
        assert server.metric(REQUESTS) == 2


def test_the_queue_has_a_time_of_its_own(models: Repository) -> None:
    with serving(models.flag, "--batching=off", "--queue_timeout_ms=50") as server:
        with queueing(server) as queue:
            queue.ask(request(ROWS), waits=False)
            assert queue.asked[-1].result()[0] == 504
        assert queue.asked[0].result()[0] == 200
        assert server.metric(REQUESTS) == 1


def test_what_nobody_waits_for_is_not_computed(models: Repository) -> None:
    with serving(models.flag, "--batching=off") as server:
        with queueing(server) as queue:
            gone = http.client.HTTPConnection("127.0.0.1", server.port)
            gone.request("POST", infer("m"), request(ROWS))
            until(lambda: server.metric(DEPTH) == 1)
            gone.close()
            until(lambda: server.logged("request", status=499), "it is seen to be gone")
            queue.ask(request(ROWS + 1), waits=False)
        assert [asked.result()[0] for asked in queue.asked] == [200, 200]
        assert server.metric(REQUESTS) == 2
    (line,) = server.logged("request", status=499)
    assert line["error"] == "the client is gone"


def test_the_more_urgent_goes_first(models: Repository) -> None:
    with serving(models.flag, "--batching=off") as server:
        with queueing(server) as queue:
            for name, priority in [("last", 5000), ("usual", 0), ("first", 1), ("second", 2)]:
                body = request(ROWS, priority=priority).replace("{", f'{{"id":"{name}",', 1)
                queue.ask(body)
        assert all(asked.result()[0] == 200 for asked in queue.asked)
        server.stop()
    told = [line["id"] for line in server.logged("request") if "id" in line]
    assert told == ["first", "second", "usual", "last"]


@pytest.mark.parametrize("flag", ["--max_queue=2", "--max_queue_bytes=64"])
def test_a_full_queue_says_so(models: Repository, flag: str) -> None:
    with serving(models.flag, flag) as server:
        with queueing(server) as queue:
            queue.ask(request(ROWS))
            queue.ask(request(ROWS))
            status, headers, answer = server.call("POST", infer("m"), request(ROWS))
            assert status == 503
            assert headers["Retry-After"] == "1"
            assert "the queue is full" in data(answer)
        assert [asked.result()[0] for asked in queue.asked] == [200] * 3
        full = 'paddle_server_rejected_total{model="m",version="1",reason="queue_full"}'
        assert server.metric(full) == 1


def test_a_large_tensor_is_copied_once_on_its_way_in_and_never_out(models: Repository) -> None:
    copied = "paddle_server_tensor_bytes_copied_total"
    x = np.arange(150_000, dtype=np.float32).reshape(-1, 4)
    with (
        serving(models.flag, "--max_batch_size=100000") as server,
        triton.InferenceServerClient(server.url) as asking,
    ):
        tensor = triton.InferInput("x", list(x.shape), "FP32")
        tensor.set_data_from_numpy(x, binary_data=True)
        before = server.metric(copied)
        answer = asking.infer("m", [tensor])
        assert server.metric(copied) - before == x.nbytes
        (name,) = [output["name"] for output in answer.get_response()["outputs"]]
        assert answer.as_numpy(name).tobytes() == (2 * x).tobytes()
