"""Triton's extensions of the protocol, as its own clients ask for them, by HTTP and gRPC."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from cc.server.repository import ROWS, Repository
from cc.server.serving import Server, serving


@pytest.fixture(name="models")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"), m="times2", other="times2")


@pytest.fixture(name="server")
def a_server_that_clients_control(models: Repository) -> Iterator[Server]:
    with serving(models.flag, "--model_control=1") as server:
        yield server


class Client:
    """Either client, with answers as the one by HTTP has them."""

    def __init__(self, protocol: str, server: Server) -> None:
        self.protocol: Any = getattr(tritonclient, protocol)
        url = server.grpc_url if protocol == "grpc" else server.url
        self.client = self.protocol.InferenceServerClient(url)

    def ask(self, rows: NDArray[np.float32]) -> None:
        tensor = self.protocol.InferInput("x", list(rows.shape), "FP32")
        tensor.set_data_from_numpy(rows)
        self.client.infer("m", [tensor])

    def told(self, question: str, *arguments: str) -> Any:
        as_json = {"as_json": True} if self.protocol is tritonclient.grpc else {}
        return getattr(self.client, question)(*arguments, **as_json)


@pytest.fixture(name="client", params=["http", "grpc"])
def a_client(server: Server, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, server)
    yield client
    client.client.close()


def test_the_configuration_that_perf_analyzer_begins_with(client: Client) -> None:
    config = client.told("get_model_config", "m")
    config = config.get("config", config)
    assert (config["name"], config["backend"]) == ("m", "paddle")
    assert config["max_batch_size"] == 1024
    (tensor,) = config["input"]
    assert (tensor["name"], tensor["data_type"]) == ("x", "TYPE_FP32")
    assert [int(size) for size in tensor["dims"]] == [4]
    (output,) = config["output"]
    assert (output["data_type"], [int(size) for size in output["dims"]]) == ("TYPE_FP32", [4])
    assert "dynamic_batching" in config
    extensions = client.told("get_server_metadata")["extensions"]
    assert {"model_configuration", "model_repository", "statistics"} <= set(extensions)


def test_statistics_add_up(client: Client) -> None:
    for _ in range(3):
        client.ask(np.repeat(ROWS, 2, axis=0))
    with pytest.raises(InferenceServerException):
        client.ask(np.zeros([1, 5], np.float32))
    (told,) = client.told("get_inference_statistics", "m", "1")["model_stats"]
    assert (told["name"], told["version"]) == ("m", "1")
    assert int(told["inference_count"]) == 3 * 2 * len(ROWS)
    assert 1 <= int(told["execution_count"]) <= 3
    parts = told["inference_stats"]
    assert {name: int(part["count"]) for name, part in parts.items()} == {
        "success": 3,
        "fail": 1,
        "queue": 3,
        "compute_input": 3,
        "compute_infer": 3,
        "compute_output": 3,
    }
    names = ("queue", "compute_input", "compute_infer", "compute_output")
    assert 0 < sum(int(parts[name]["ns"]) for name in names) <= int(parts["success"]["ns"])
    assert sum(int(batch["compute_infer"]["count"]) for batch in told["batch_stats"]) == 3
    assert int(told["last_inference"]) > 1_700_000_000_000
    every = client.told("get_inference_statistics")["model_stats"]
    assert {(one["name"], int(one.get("inference_count", 0)) > 0) for one in every} == {
        ("m", True),
        ("other", False),
    }


def test_clients_load_and_unload(client: Client, models: Repository) -> None:
    triton = client.client
    triton.unload_model("m")
    assert triton.is_model_ready("other")
    with pytest.raises(InferenceServerException, match="unknown model"):
        client.ask(ROWS)
    triton.load_model("m")
    assert triton.is_model_ready("m")
    client.ask(ROWS)
    # What was put there meanwhile.
    models.link("new", 1, "times1")
    triton.load_model("new")
    index = client.told("get_model_repository_index")
    index = index if isinstance(index, list) else index["models"]
    assert [(one["name"], one["state"]) for one in index] == [
        ("m", "READY"),
        ("new", "READY"),
        ("other", "READY"),
    ]
    with pytest.raises(InferenceServerException, match="there is no model"):
        triton.load_model("nothing")
    with pytest.raises(InferenceServerException, match="a model is loaded as it lies"):
        triton.load_model("m", config="{}")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_strangers_do_not(models: Repository, protocol: str) -> None:
    with serving(models.flag) as server:
        client = Client(protocol, server)
        for change in (client.client.unload_model, client.client.load_model):
            with pytest.raises(InferenceServerException, match="--model_control=1"):
                change("m")
        assert client.client.is_model_ready("m")
        client.client.close()
