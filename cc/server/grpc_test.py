"""gRPC as clients that are not ours speak it."""

import asyncio
import queue
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio
import tritonclient.http
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from cc.server import serving as rest
from cc.server.digits import IMAGES, make_repository
from cc.server.repository import ROWS, Repository
from cc.server.serving import Server, serving, until

SAME = ["int8", "uint8", "int32", "int64", "bool", "float16", "float64"]
MIB = 1 << 20
COPIED = "paddle_server_tensor_bytes_copied_total"
ANSWERED = 'paddle_server_batch_requests_sum{model="m",version="1"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    same = {f"same_{dtype}": f"same_{dtype}" for dtype in SAME}
    models = Repository(tmp_path_factory.mktemp("repository"), m="times2", gather="gather", **same)
    with serving(models.flag, "--max_batch_size=10000000") as server:
        yield server
        assert server.stop() == 0
        assert server.logged("worker ended") == []


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.grpc_url) as client:
        yield client


@pytest.fixture
def stub(server: Server) -> Iterator[Any]:
    with grpc.insecure_channel(server.grpc_url) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(x: NDArray[Any] = ROWS, name: str = "x") -> triton.InferInput:
    made = triton.InferInput(name, list(x.shape), np_to_triton_dtype(x.dtype))
    made.set_data_from_numpy(x)
    return made


def request(x: NDArray[Any] = ROWS, model: str = "m", **fields: Any) -> Any:
    made = service_pb2.ModelInferRequest(model_name=model, **fields)
    made.inputs.add(name="x", datatype=np_to_triton_dtype(x.dtype), shape=x.shape)
    return made


def raw(x: NDArray[Any] = ROWS, model: str = "m", **fields: Any) -> Any:
    made = request(x, model, **fields)
    made.raw_input_contents.append(x.tobytes())
    return made


def typed(x: NDArray[Any], field: str, model: str = "m") -> Any:
    made = request(x, model)
    getattr(made.inputs[0].contents, field).extend(x.ravel().tolist())
    return made


def output(response: Any, dtype: Any = np.float32) -> NDArray[Any]:
    (data,) = response.raw_output_contents
    return np.frombuffer(data, dtype).reshape(response.outputs[0].shape)


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """Code and message of the error that it raises."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


# ---- The server and its models


def test_health_and_metadata_are_those_of_rest(
    server: Server, client: triton.InferenceServerClient
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", "1")
    assert not client.is_model_ready("m", "9")
    assert not client.is_model_ready("none")
    with tritonclient.http.InferenceServerClient(server.url) as by_rest:
        here, there = client.get_server_metadata(as_json=True), by_rest.get_server_metadata()
        assert (here["name"], here["version"]) == (there["name"], there["version"])
        here = client.get_model_metadata("m", as_json=True)
        there = by_rest.get_model_metadata("m")
        for metadata in (here, there):
            for spec in metadata["inputs"] + metadata["outputs"]:
                spec["shape"] = [int(dim) for dim in spec["shape"]]
        assert here == there


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (
            lambda s: s.ModelMetadata(service_pb2.ModelMetadataRequest(name="m", version="9")),
            grpc.StatusCode.NOT_FOUND,
            "9",
        ),
        (
            lambda s: s.ModelInfer(raw(model="数字")),
            grpc.StatusCode.NOT_FOUND,
            'unknown model "数字"',
        ),
        (
            lambda s: s.ModelInfer(raw(ROWS[:, :3])),
            grpc.StatusCode.INVALID_ARGUMENT,
            'input "x" is FP32 [2,3], wanted FP32 [-1,4]',
        ),
        (
            lambda s: s.ModelInfer(raw(ROWS.astype(np.int64))),
            grpc.StatusCode.INVALID_ARGUMENT,
            'input "x" is INT64 [2,4], wanted FP32 [-1,4]',
        ),
        (
            lambda s: s.ModelInfer(request(raw_input_contents=[b"1234"])),
            grpc.StatusCode.INVALID_ARGUMENT,
            "has 4 bytes of data, but shape [2,4] of FP32 takes 32",
        ),
        (
            lambda s: s.ModelInfer(request(raw_input_contents=[b"", b""])),
            grpc.StatusCode.INVALID_ARGUMENT,
            "1 inputs and 2 raw_input_contents",
        ),
        (
            lambda s: s.ModelInfer(request()),
            grpc.StatusCode.INVALID_ARGUMENT,
            '"fp32_contents" has fewer than the 8 elements',
        ),
        (
            lambda s: s.ModelInfer(typed(ROWS, "fp64_contents")),
            grpc.StatusCode.INVALID_ARGUMENT,
            'has "fp64_contents", but FP32 travels as "fp32_contents"',
        ),
        (
            lambda s: s.ModelInfer(typed(np.zeros((1, 4), np.int8), "int_contents", "same_int8")),
            None,
            "",
        ),
        (
            lambda s: s.ModelInfer(service_pb2.ModelInferRequest(model_name="m")),
            grpc.StatusCode.INVALID_ARGUMENT,
            'input "x" is missing',
        ),
    ],
)
def test_errors_say_what_is_wrong(
    stub: Any, call: Callable[[Any], Any], code: grpc.StatusCode | None, message: str
) -> None:
    if code is None:
        call(stub)
        return
    got, said = refused(lambda: call(stub))
    assert got == code
    assert message in said


def test_an_element_beyond_its_type_is_named(stub: Any) -> None:
    made = request(np.zeros((1, 4), np.int8), "same_int8")
    made.inputs[0].contents.int_contents.extend([0, 127, 128, 0])
    code, said = refused(lambda: stub.ModelInfer(made))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "element 2 is beyond what INT8 holds" in said


def test_raw_and_typed_do_not_go_together(stub: Any) -> None:
    made = typed(ROWS, "fp32_contents")
    made.raw_input_contents.append(ROWS.tobytes())
    code, said = refused(lambda: stub.ModelInfer(made))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert '"contents", while the request has "raw_input_contents"' in said


@pytest.mark.parametrize("field", ["priority", "timeout"])
def test_parameters_that_are_none_are_named(stub: Any, field: str) -> None:
    for wrong in ({"int64_param": -1}, {"string_param": "soon"}, {"double_param": 1.5}):
        made = raw()
        made.parameters[field].CopyFrom(service_pb2.InferParameter(**wrong))
        code, said = refused(partial(stub.ModelInfer, made))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert f'"{field}"' in said


@pytest.mark.parametrize("name", ["shared_memory_region", "classification"])
def test_what_cannot_be_done_is_refused(stub: Any, name: str) -> None:
    made = raw()
    made.inputs[0].parameters[name].string_param = "1"
    assert refused(lambda: stub.ModelInfer(made))[0] == grpc.StatusCode.INVALID_ARGUMENT


# ---- Inference


def test_an_answer_is_that_of_rest_bit_for_bit(tmp_path: Path) -> None:
    with serving(f"--model_repository={make_repository(tmp_path)}") as server:
        for count in (1, 3, len(IMAGES)):
            x = IMAGES[:count]
            with triton.InferenceServerClient(server.grpc_url) as client:
                (name,) = [o.name for o in client.get_model_metadata("digits").outputs]
                (input_name,) = [i.name for i in client.get_model_metadata("digits").inputs]
                wanted = rest.infer(server.url, "digits", {input_name: x}, [name])[name]
                for version in ("", "1", "2"):
                    answer = client.infer("digits", [tensor(x, input_name)], version)
                    assert answer.as_numpy(name).tobytes() == wanted.tobytes()
                    assert answer.get_response().model_version == (version or "2")


@pytest.mark.parametrize("dtype", SAME)
@pytest.mark.parametrize("form", ["raw", "typed"])
def test_every_type_that_paddle_has_comes_back(stub: Any, dtype: str, form: str) -> None:
    x = np.array([[0, 1, 2, 3], [4, 5, 6, 7]]).astype(dtype)
    if dtype not in ("bool", "float16", "float64"):
        info = np.iinfo(dtype)
        x[1] = [info.min, info.max, info.min, info.max]
    fields = {
        "int8": "int_contents",
        "uint8": "uint_contents",
        "int32": "int_contents",
        "int64": "int64_contents",
        "bool": "bool_contents",
        "float64": "fp64_contents",
    }
    if form == "raw":
        made = raw(x, f"same_{dtype}")
    elif dtype == "float16":
        made = typed(x, "fp32_contents", "same_float16")
        code, said = refused(lambda: stub.ModelInfer(made))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert '"raw_input_contents" only' in said
        return
    else:
        made = typed(x, fields[dtype], f"same_{dtype}")
    answer = stub.ModelInfer(made)
    assert answer.outputs[0].datatype == np_to_triton_dtype(x.dtype)
    assert output(answer, x.dtype).tobytes() == x.tobytes()


def test_bytes_are_told_to_belong_to_no_model_of_paddle(
    stub: Any, client: triton.InferenceServerClient
) -> None:
    strings = np.array([[b"a", b"", b"\xff", b"x" * 100]], np.object_)
    with pytest.raises(InferenceServerException, match=r"is BYTES \[1,4\], wanted FP32"):
        client.infer("m", [tensor(strings)])
    made = service_pb2.ModelInferRequest(model_name="m")
    made.inputs.add(name="x", datatype="BYTES", shape=[1, 4])
    made.inputs[0].contents.bytes_contents.extend(strings[0])
    assert "is BYTES [1,4], wanted FP32" in refused(lambda: stub.ModelInfer(made))[1]


def test_id_version_and_outputs_are_as_asked_for(client: triton.InferenceServerClient) -> None:
    name = client.get_model_metadata("m").outputs[0].name
    answer = client.infer(
        "m",
        [tensor()],
        request_id="ß-7",
        outputs=[triton.InferRequestedOutput(name)],
        priority=1,
        timeout=60_000_000,
        sequence_id=0,
    )
    assert answer.get_response().id == "ß-7"
    assert answer.get_response().model_name == "m"
    np.testing.assert_array_equal(answer.as_numpy(name), 2 * ROWS)
    with pytest.raises(InferenceServerException, match='unknown output "z"'):
        client.infer("m", [tensor()], outputs=[triton.InferRequestedOutput("z")])


def test_an_empty_batch_has_an_empty_answer(stub: Any) -> None:
    empty = np.zeros((0, 4), np.float32)
    assert output(stub.ModelInfer(raw(empty))).shape == (0, 4)
    assert output(stub.ModelInfer(typed(empty, "fp32_contents"))).shape == (0, 4)


@pytest.mark.parametrize("form", [raw, lambda x: typed(x, "fp32_contents")])
@pytest.mark.parametrize("rows", [1, 64, 100_000])
def test_the_bytes_of_a_tensor_are_copied_once_in_and_once_out(
    server: Server, form: Callable[[Any], Any], rows: int
) -> None:
    x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc_url, options) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        before = server.metric(COPIED)
        np.testing.assert_array_equal(output(stub.ModelInfer(form(x))), 2 * x)
        # In the messages' own bytes less than a part may move once more.
        assert server.metric(COPIED) - before <= 2 * x.nbytes + 1024


def test_a_message_of_64_mib_is_served_and_a_larger_one_is_not(server: Server) -> None:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc_url, options) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        rows = 63 * MIB // 16
        x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
        np.testing.assert_array_equal(output(stub.ModelInfer(raw(x))), 2 * x)
        code, said = refused(lambda: stub.ModelInfer(raw(np.zeros((65 * MIB // 16, 4), "f4"))))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "--max_request_bytes" in said
        assert output(stub.ModelInfer(raw())).tolist() == (2 * ROWS).tolist()


def test_values_that_the_model_does_not_bear_are_the_clients_error(stub: Any) -> None:
    wrong = np.array([[0, 0, 0, -1]], np.int64)
    code, said = refused(lambda: stub.ModelInfer(raw(wrong, "gather")))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "is out of range, the model takes 0 to 99" in said


def test_many_calls_at_once_on_one_connection(stub: Any) -> None:
    calls = [stub.ModelInfer.future(raw(ROWS + i, id=str(i))) for i in range(200)]
    for i, call in enumerate(calls):
        answer = call.result(timeout=60)
        assert answer.id == str(i)
        np.testing.assert_array_equal(output(answer), 2 * (ROWS + i))


def test_the_client_for_asyncio(server: Server) -> None:
    async def ask() -> None:
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc_url) as client:
            assert await client.is_server_ready()
            name = (await client.get_model_metadata("m")).outputs[0].name
            answers = await asyncio.gather(
                *(client.infer("m", [tensor(ROWS + i)]) for i in range(20))
            )
            for i, answer in enumerate(answers):
                np.testing.assert_array_equal(answer.as_numpy(name), 2 * (ROWS + i))

            async def requests() -> Any:
                for i in range(20):
                    yield {"model_name": "m", "inputs": [tensor(ROWS + i)], "request_id": str(i)}

            got = [r async for r in client.stream_infer(requests())]
            assert [error for _, error in got] == [None] * 20
            assert [result.get_response().id for result, _ in got] == [str(i) for i in range(20)]

    asyncio.run(ask())


# ---- Time, and clients that go


def test_a_timeout_is_told(server: Server, stub: Any) -> None:
    with server.stopped(*server.workers):
        first = stub.ModelInfer.future(raw())
        until(lambda: server.metric('paddle_server_running{model="m",version="1"}') == 1)
        made = raw()
        made.parameters["timeout"].int64_param = 1000
        code, _ = refused(lambda: stub.ModelInfer(made, timeout=60))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        # By the deadline of gRPC, of which the client knows first.
        code, _ = refused(lambda: stub.ModelInfer(raw(), timeout=0.01))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert output(first.result(timeout=60)).tolist() == (2 * ROWS).tolist()


def test_what_nobody_waits_for_is_not_computed(server: Server, stub: Any) -> None:
    before = server.metric(ANSWERED)
    with server.stopped(*server.workers):
        first = stub.ModelInfer.future(raw())
        until(lambda: server.metric('paddle_server_running{model="m",version="1"}') == 1)
        others = [stub.ModelInfer.future(raw(id="gone")) for _ in range(5)]
        until(lambda: server.metric('paddle_server_queue_depth{model="m",version="1"}') == 5)
        for other in others:
            other.cancel()
        until(lambda: len(server.logged("request", id="gone", status=1)) == 5)
    first.result(timeout=60)
    assert output(stub.ModelInfer(raw())).tolist() == (2 * ROWS).tolist()
    assert server.metric(ANSWERED) - before == 2


# ---- Streams


def test_a_stream_is_answered_in_order_errors_included(server: Server) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(server.grpc_url) as client:
        name = client.get_model_metadata("m").outputs[0].name
        client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(300):
            wrong = i % 10 == 3
            x = ROWS[:, :2] if wrong else ROWS + i
            client.async_stream_infer("m", [tensor(x)], request_id=str(i))
        for i in range(300):
            result, error = answers.get(timeout=60)
            if i % 10 == 3:
                assert 'input "x" is FP32 [2,2]' in str(error)
            else:
                assert error is None
                assert result.get_response().id == str(i)
                np.testing.assert_array_equal(result.as_numpy(name), 2 * (ROWS + i))
        client.stop_stream()


def test_whoever_sends_faster_than_it_reads_is_held_back_and_loses_nothing(stub: Any) -> None:
    count, x = 2000, np.ones((64, 4), np.float32)
    answers = stub.ModelStreamInfer(raw(x, id=str(i)) for i in range(count))
    for i, answer in enumerate(answers):
        assert answer.error_message == ""
        assert answer.infer_response.id == str(i)
    assert i == count - 1


def test_a_stream_that_is_cancelled_leaves_the_server_well(server: Server, stub: Any) -> None:
    asked: queue.Queue[Any] = queue.Queue()
    answers = stub.ModelStreamInfer(iter(asked.get, None))
    asked.put(raw(id="a"))
    assert next(answers).infer_response.id == "a"
    with server.stopped(*server.workers):
        for _ in range(10):
            asked.put(raw(id="b"))
        until(lambda: server.metric('paddle_server_running{model="m",version="1"}') == 1)
        answers.cancel()
        until(lambda: len(server.logged("request", id="b", status=1)) > 0)
    asked.put(None)
    assert output(stub.ModelInfer(raw())).tolist() == (2 * ROWS).tolist()


# ---- Health and reflection


def test_health_of_the_server_and_of_models(server: Server) -> None:
    with grpc.insecure_channel(server.grpc_url) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        serving_ = health_pb2.HealthCheckResponse.SERVING
        for service in ("", "inference.GRPCInferenceService", "m"):
            asked = health_pb2.HealthCheckRequest(service=service)
            assert stub.Check(asked).status == serving_
            assert next(stub.Watch(asked)).status == serving_
        unknown = health_pb2.HealthCheckRequest(service="none")
        assert refused(lambda: stub.Check(unknown))[0] == grpc.StatusCode.NOT_FOUND
        assert next(stub.Watch(unknown)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def test_reflection_tells_services_and_messages(server: Server) -> None:
    with grpc.insecure_channel(server.grpc_url) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "inference.GRPCInferenceService",
        }
        pool = DescriptorPool(database)
        service = pool.FindServiceByName("inference.GRPCInferenceService")
        # The same numbers as in the messages of Triton's client.
        for method in service.methods:
            for ours in (method.input_type, method.output_type):
                theirs = getattr(service_pb2, ours.name).DESCRIPTOR
                assert ours.full_name == theirs.full_name
                for field in ours.fields:
                    same = theirs.fields_by_name[field.name]
                    assert (field.number, field.type) == (same.number, same.type)
        health = pool.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse")
        assert health.fields_by_name["status"].number == 1
        with pytest.raises(KeyError):
            pool.FindMessageTypeByName("inference.None")


# ---- What is not served


def test_other_methods_of_triton_are_unimplemented(stub: Any) -> None:
    for call in (
        lambda: stub.CudaSharedMemoryStatus(service_pb2.CudaSharedMemoryStatusRequest()),
        lambda: stub.SystemSharedMemoryStatus(service_pb2.SystemSharedMemoryStatusRequest()),
        lambda: stub.TraceSetting(service_pb2.TraceSettingRequest()),
        lambda: stub.LogSettings(service_pb2.LogSettingsRequest()),
    ):
        code, said = refused(call)
        assert code == grpc.StatusCode.UNIMPLEMENTED
        assert "does not serve" in said


def test_http_1_on_this_port_is_told_where_it_is(server: Server) -> None:
    status = http_1(server.grpc_port)
    assert status.startswith("HTTP/1.1 400 ")
    assert "--port" in status


def http_1(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: h\r\n\r\n")
        return connection.makefile("rb").read().decode()


# ---- What is told


def test_calls_are_logged_and_counted_by_their_codes(server: Server, stub: Any) -> None:
    path = "/inference.GRPCInferenceService/ModelInfer"
    series = (
        'paddle_server_requests_total{protocol="grpc",endpoint="infer",'
        'model="m",version="1",code="%d"}'
    )
    before = [server.metric(series % code) for code in (0, 3)]
    stub.ModelInfer(raw(id="told"))
    refused(lambda: stub.ModelInfer(raw(ROWS[:, :1], id="wrong")))
    until(lambda: server.logged("request", id="wrong"))
    (line,) = server.logged("request", id="told")
    assert (line["path"], line["status"], line["model"]) == (path, 0, "m")
    assert line["batch_rows"] == 2
    (line,) = server.logged("request", id="wrong")
    assert line["status"] == 3
    assert [server.metric(series % code) for code in (0, 3)] == [n + 1 for n in before]


def test_grpc_can_be_off_and_have_a_port_of_its_own(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="times2")
    with serving(models.flag, "--grpc_port=-1") as server:
        assert server.grpc_port == -1
    with serving(models.flag, "--host=::", "--grpc_port=0") as server:
        for host in ("127.0.0.1", "[::1]"):
            with triton.InferenceServerClient(f"{host}:{server.grpc_port}") as client:
                assert client.is_model_ready("m")
        done = rest.run("serve", "--port=0", f"--grpc_port={server.grpc_port}", models.flag)
        assert done.returncode == 1
        assert "choose another --grpc_port" in done.stderr
