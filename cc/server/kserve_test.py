"""KServe's own clients, by REST and by gRPC: every call that they have."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    InferResponse,
)
from kserve.errors import InvalidInput, UnsupportedProtocol
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import InferOutput, RequestedOutput
from numpy.typing import NDArray

from cc.server.repository import ROWS, Repository
from cc.server.serving import Server, serving

TYPES = {
    "same_bool": "BOOL",
    "same_float16": "FP16",
    "same_float64": "FP64",
    "same_int32": "INT32",
    "same_int64": "INT64",
    "same_int8": "INT8",
    "same_uint8": "UINT8",
}


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    same = {name: name for name in TYPES}
    directory = tmp_path_factory.mktemp("repository")
    models = Repository(directory, m="times2", thirds="thirds", **same)
    with serving(models.flag) as server:
        yield server


class Rest:
    """The client of REST, asked as that of gRPC is."""

    Refused = httpx.HTTPStatusError

    def __init__(self, server: Server) -> None:
        self.client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
        self.url = f"http://{server.url}"

    def __getattr__(self, call: str) -> Callable[..., Awaitable[Any]]:
        def ask(*arguments: Any, **options: Any) -> Awaitable[Any]:
            if call == "infer":
                options = {"model_name": arguments[0].model_name} | options
            asked: Awaitable[Any] = getattr(self.client, call)(self.url, *arguments, **options)
            return asked

        return ask


class Grpc:
    Refused = grpc.RpcError

    def __init__(self, server: Server) -> None:
        self.client = InferenceGRPCClient(server.grpc_url)

    def __getattr__(self, call: str) -> Callable[..., Awaitable[Any]]:
        asked: Callable[..., Awaitable[Any]] = getattr(self.client, call)
        return asked


@asynccontextmanager
async def connected(protocol: str, server: Server) -> AsyncIterator[Any]:
    client = Rest(server) if protocol == "rest" else Grpc(server)
    async with client.client:
        yield client


both = pytest.mark.parametrize("protocol", ["rest", "grpc"])


def request(
    rows: NDArray[Any], model: str = "m", binary: bool = False, **options: Any
) -> InferRequest:
    tensor = InferInput("x", list(rows.shape), TYPES.get(model, "FP32"))
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model, [tensor], **options)


def only(answer: InferResponse) -> InferOutput:
    (output,) = answer.outputs
    return output


@both
@pytest.mark.parametrize("binary", [False, True])
def test_inference(server: Server, protocol: str, binary: bool) -> None:
    async def ask() -> InferResponse:
        async with connected(protocol, server) as client:
            return await client.infer(request(ROWS, binary=binary, request_id="7"))

    answer = asyncio.run(ask())
    assert (answer.model_name, answer.id) == ("m", "7")
    # By REST the client does not read it.
    assert answer.model_version == ("1" if protocol == "grpc" else None)
    output = only(answer)
    assert (output.datatype, output.shape) == ("FP32", [2, 4])
    assert output.as_numpy().tolist() == (2 * ROWS).tolist()


@both
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("model", TYPES)
def test_every_type(server: Server, protocol: str, binary: bool, model: str) -> None:
    rows = np.arange(8).reshape(2, 4).astype(model.removeprefix("same_"))
    wanted = request(rows, model, binary, parameters={"binary_data_output": binary})
    if (model, binary) == ("same_float16", False):
        with pytest.raises(InvalidInput):  # as the client says itself
            wanted.to_rest() if protocol == "rest" else wanted.to_grpc()
        return

    async def ask() -> InferResponse:
        async with connected(protocol, server) as client:
            return await client.infer(wanted)

    assert only(asyncio.run(ask())).as_numpy().tolist() == rows.tolist()


@both
@pytest.mark.parametrize("binary", [False, True])
def test_a_batch_without_rows(server: Server, protocol: str, binary: bool) -> None:
    async def ask() -> InferResponse:
        async with connected(protocol, server) as client:
            return await client.infer(request(np.zeros([0, 4], np.float32), binary=binary))

    assert only(asyncio.run(ask())).shape == [0, 4]


@both
@pytest.mark.parametrize("wanted", [None, True, False])
def test_outputs_by_name_and_as_binary_data(
    server: Server, protocol: str, wanted: bool | None
) -> None:
    async def ask() -> None:
        async with connected(protocol, server) as client:
            name = only(await client.infer(request(ROWS))).name
            output = RequestedOutput(name, {} if wanted is None else {"binary_data": wanted})
            answer = await client.infer(request(ROWS, request_outputs=[output]))
            assert only(answer).as_numpy().tolist() == (2 * ROWS).tolist()
            with pytest.raises(client.Refused, match="nothing"):
                await client.infer(request(ROWS, request_outputs=[RequestedOutput("nothing")]))

    asyncio.run(ask())


@both
def test_parameters_of_a_request(server: Server, protocol: str) -> None:
    async def ask() -> None:
        async with connected(protocol, server) as client:
            answer = await client.infer(request(ROWS, parameters={"priority": 1}))
            assert only(answer).as_numpy().tolist() == (2 * ROWS).tolist()

    asyncio.run(ask())


@both
def test_server_and_models_are_live_and_ready(server: Server, protocol: str) -> None:
    async def ask() -> None:
        async with connected(protocol, server) as client:
            assert await client.is_server_live() is True
            assert await client.is_server_ready() is True
            assert await client.is_model_ready("m") is True

    asyncio.run(ask())


@both
def test_a_model_that_is_not_there_is_not_ready(server: Server, protocol: str) -> None:
    async def ask() -> None:
        async with connected(protocol, server) as client:
            assert await client.is_model_ready("nothing") is False

    asyncio.run(ask())


@both
def test_what_is_refused_is_told_in_our_words(server: Server, protocol: str) -> None:
    async def ask() -> None:
        async with connected(protocol, server) as client:
            for wrong, why in (
                (request(ROWS, model="nothing"), 'unknown model "nothing"'),
                (request(ROWS[:, :3]), r"is FP32 \[2,3\], wanted FP32 \[-1,4\]"),
                (request(ROWS, model="thirds"), "InvalidArgument"),
            ):
                with pytest.raises(client.Refused, match=why):
                    await client.infer(wrong)

    asyncio.run(ask())


def test_what_only_the_first_protocol_has(server: Server) -> None:
    """V1 is not served: 404; its explanations are none of V2's, as the client says itself."""

    async def ask() -> None:
        async with connected("rest", server) as client:
            with pytest.raises(UnsupportedProtocol):
                await client.explain("m", {})
            graph = await client.client.infer(
                f"{client.url}/v2/models/m/infer", request(ROWS), is_graph_endpoint=True
            )
            assert graph["outputs"][0]["data"] == (2 * ROWS).ravel().tolist()
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            for call, *more in (("infer", {}, "m"), ("explain", "m", {}), ("is_model_ready", "m")):
                with pytest.raises(httpx.HTTPStatusError, match="404"):
                    await getattr(client, call)(f"http://{server.url}", *more)

    asyncio.run(ask())
