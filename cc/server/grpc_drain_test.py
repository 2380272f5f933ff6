"""An end that was asked for loses no call."""

import concurrent.futures
import queue
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from cc.server.repository import ROWS, Repository
from cc.server.serving import Server, serving, until

ANSWERED = 'paddle_server_batch_requests_sum{model="m",version="1"}'
RUNNING = 'paddle_server_running{model="m",version="1"}'


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def request(x: Any = ROWS, **fields: Any) -> Any:
    made = service_pb2.ModelInferRequest(model_name="m", **fields)
    made.inputs.add(name="x", datatype="FP32", shape=x.shape)
    made.raw_input_contents.append(x.tobytes())
    return made


def connect(server: Server) -> grpc.Channel:
    # By default a client tries again by itself only what no server has seen.
    return grpc.insecure_channel(server.grpc_url, [("grpc.use_local_subchannel_pool", 1)])


def ask_until_the_end(server: Server) -> int:
    """Calls answered, each waited for, until the server takes no more connections."""
    answered = 0
    with connect(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        while True:
            try:
                answer = stub.ModelInfer(request(ROWS + answered), timeout=60)
            except grpc.RpcError as error:
                # It could not be sent at all.
                assert error.code() == grpc.StatusCode.UNAVAILABLE, error
                assert "connect" in error.details(), error
                return answered
            data = np.frombuffer(answer.raw_output_contents[0], "f4")
            np.testing.assert_array_equal(data, 2 * (ROWS + answered).ravel())
            answered += 1


@pytest.mark.parametrize("delay", [0, 1000])
def test_clients_at_full_load_lose_nothing(models: Repository, delay: int) -> None:
    with (
        serving(models.flag, f"--drain_delay_ms={delay}", "--drain_timeout_ms=60000") as server,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        clients = [pool.submit(ask_until_the_end, server) for _ in range(8)]
        until(lambda: server.metric(ANSWERED) >= 100)
        assert server.stop() == 0
        counts = [client.result() for client in clients]
        assert len(server.logged("request", status=0, model="m")) == sum(counts)


def test_what_was_asked_before_is_answered(models: Repository) -> None:
    with serving(models.flag, "--drain_timeout_ms=60000") as server, connect(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with server.stopped(*server.workers):
            calls = [stub.ModelInfer.future(request(ROWS + i)) for i in range(20)]
            until(lambda: server.metric('paddle_server_queue_depth{model="m",version="1"}') > 0)
            until(lambda: server.metric(RUNNING) == 1)
            until(lambda: server.metric('paddle_server_inflight_requests{protocol="grpc"}') == 20)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
        for i, call in enumerate(calls):
            data = np.frombuffer(call.result(timeout=60).raw_output_contents[0], "f4")
            np.testing.assert_array_equal(data, 2 * (ROWS + i).ravel())
        assert server.process.wait(timeout=60) == 0


def test_streams_are_answered_and_ended(models: Repository) -> None:
    with serving(models.flag, "--drain_timeout_ms=60000") as server, connect(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        asked: queue.Queue[Any] = queue.Queue()
        sent: list[Any] = []

        def requests() -> Iterator[Any]:
            for made in iter(asked.get, None):
                yield made
                sent.append(made)  # the next one is wanted: this one is on its way

        answers = stub.ModelStreamInfer(requests())
        asked.put(request(id="first"))
        assert next(answers).infer_response.id == "first"
        with server.stopped(*server.workers):
            for i in range(10):
                asked.put(request(id=str(i)))
            until(lambda: server.metric(RUNNING) == 1 and len(sent) == 11)
            # All have come: the server has answered a later call.
            stub.ServerLive(service_pb2.ServerLiveRequest())
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
        for i in range(10):
            assert next(answers).infer_response.id == str(i)
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "shutting down" in caught.value.details()
        asked.put(None)
        assert server.process.wait(timeout=60) == 0


def test_whoever_watches_health_is_told_and_let_go(models: Repository) -> None:
    with serving(models.flag, "--drain_delay_ms=1500") as server, connect(server) as channel:
        states: list[int] = []
        codes: list[grpc.StatusCode] = []
        ready = threading.Event()

        def watch() -> None:
            try:
                for answer in health_pb2_grpc.HealthStub(channel).Watch(
                    health_pb2.HealthCheckRequest()
                ):
                    states.append(answer.status)
                    ready.set()
            except grpc.RpcError as error:
                codes.append(error.code())

        watcher = threading.Thread(target=watch)
        watcher.start()
        ready.wait(60)
        assert server.stop() == 0
        watcher.join(60)
        answer = health_pb2.HealthCheckResponse
        assert states == [answer.SERVING, answer.NOT_SERVING]
        assert codes == [grpc.StatusCode.UNAVAILABLE]


def test_a_second_signal_does_not_wait(models: Repository) -> None:
    with serving(models.flag, "--drain_timeout_ms=3600000") as server, connect(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with server.stopped(*server.workers):
            call = stub.ModelInfer.future(request())
            until(lambda: server.metric(RUNNING) == 1)
            server.process.send_signal(signal.SIGTERM)
            until(server.refuses)
            assert server.stop() == 1
        assert server.log[-1]["abandoned"] == 1
        assert call.code() == grpc.StatusCode.UNAVAILABLE
