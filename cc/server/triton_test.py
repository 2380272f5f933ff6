"""Triton's extensions of the protocol, as its own client asks for them."""

from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http
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


@pytest.fixture(name="client")
def its_client(server: Server) -> Iterator[tritonclient.http.InferenceServerClient]:
    with tritonclient.http.InferenceServerClient(server.url) as client:
        yield client


def ask(client: tritonclient.http.InferenceServerClient, rows: np.ndarray) -> None:
    tensor = tritonclient.http.InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    client.infer("m", [tensor])


def test_the_configuration_that_perf_analyzer_begins_with(
    client: tritonclient.http.InferenceServerClient,
) -> None:
    config = client.get_model_config("m")
    assert (config["name"], config["backend"]) == ("m", "paddle")
    assert config["max_batch_size"] == 1024
    assert config["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}]
    (output,) = config["output"]
    assert (output["data_type"], output["dims"]) == ("TYPE_FP32", [4])
    extensions = client.get_server_metadata()["extensions"]
    assert {"model_configuration", "model_repository", "statistics"} <= set(extensions)


def test_statistics_add_up(client: tritonclient.http.InferenceServerClient) -> None:
    for _ in range(3):
        ask(client, np.repeat(ROWS, 2, axis=0))
    with pytest.raises(InferenceServerException):
        ask(client, np.zeros([1, 5], np.float32))
    (told,) = client.get_inference_statistics("m", "1")["model_stats"]
    assert (told["name"], told["version"]) == ("m", "1")
    assert told["inference_count"] == 3 * 2 * len(ROWS)
    assert 1 <= told["execution_count"] <= 3
    parts = told["inference_stats"]
    assert {name: part["count"] for name, part in parts.items()} == {
        "success": 3,
        "fail": 1,
        "queue": 3,
        "compute_input": 3,
        "compute_infer": 3,
        "compute_output": 3,
    }
    names = ("queue", "compute_input", "compute_infer", "compute_output")
    assert 0 < sum(parts[name]["ns"] for name in names) <= parts["success"]["ns"]
    assert sum(batch["compute_infer"]["count"] for batch in told["batch_stats"]) == 3
    assert told["last_inference"] > 1_700_000_000_000
    every = client.get_inference_statistics()["model_stats"]
    assert {(one["name"], one["inference_count"] > 0) for one in every} == {
        ("m", True),
        ("other", False),
    }


def test_clients_load_and_unload(
    client: tritonclient.http.InferenceServerClient, models: Repository
) -> None:
    client.unload_model("m")
    assert not client.is_model_ready("m")
    assert client.is_model_ready("other")
    with pytest.raises(InferenceServerException, match="unknown model"):
        ask(client, ROWS)
    client.load_model("m")
    assert client.is_model_ready("m")
    ask(client, ROWS)
    # What was put there meanwhile.
    models.link("new", 1, "times1")
    client.load_model("new")
    index = client.get_model_repository_index()
    assert [(one["name"], one["state"]) for one in index] == [
        ("m", "READY"),
        ("new", "READY"),
        ("other", "READY"),
    ]
    with pytest.raises(InferenceServerException, match="there is no model"):
        client.load_model("nothing")
    with pytest.raises(InferenceServerException, match="a model is loaded as it lies"):
        client.load_model("m", config="{}")


def test_strangers_do_not(models: Repository) -> None:
    with (
        serving(models.flag) as server,
        tritonclient.http.InferenceServerClient(server.url) as client,
    ):
        with pytest.raises(InferenceServerException, match="--model_control=1"):
            client.unload_model("m")
        assert client.is_model_ready("m")
