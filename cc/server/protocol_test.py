"""What clients that are not ours send, and models that others export."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import DTypeLike

from cc.server import serving as client
from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, run, serving

SAME = ["int8", "uint8", "int32", "int64", "bool", "float16", "float64"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    networks = {name: name for name in ("softmax", "appended", "gather", "thirds")}
    same = {f"same_{dtype}": f"same_{dtype}" for dtype in SAME}
    models = Repository(tmp_path_factory.mktemp("repository"), m="times2", **networks, **same)
    with serving(models.flag) as server:
        yield server
        assert server.stop() == 0
        assert server.logged("worker ended") == []


def post(server: Server, model: str, body: str | bytes, **headers: str) -> tuple[int, Any]:
    status, _, answer = server.call("POST", infer(model), body, **headers)
    return status, data(answer)


DOUBLED = (2 * ROWS).ravel().tolist()


def changed(change: dict[str, Any], **fields: Any) -> str:
    """A request with other members, and other ones of its input."""
    body = json.loads(request(ROWS)) | change
    body["inputs"][0] |= fields
    return json.dumps(body)


@pytest.mark.parametrize(
    "body",
    [
        changed({"id": None}),
        changed({"parameters": None}),
        changed({"outputs": None}),
        changed({}, parameters=None),
        changed({"id": None, "parameters": None, "outputs": None}, parameters=None),
        # As the SDK of KServe writes a request (InferRequest.to_rest of kserve 0.15), and as
        # pydantic's model_dump does.
        changed({"id": None, "model_name": None, "model_version": None}),
        changed({"id": "1", "parameters": {}, "outputs": []}, parameters={}),
        changed({"parameters": {"priority": None, "timeout": None, "binary_data_output": None}}),
        changed({"outputs": None, "inputs": json.loads(request(ROWS))["inputs"]}),
    ],
)
def test_null_is_as_good_as_absent(server: Server, body: str) -> None:
    assert post(server, "m", body) == (200, DOUBLED)


@pytest.mark.parametrize("field", ["name", "datatype", "shape", "data"])
def test_null_is_no_value_of_what_must_be_there(server: Server, field: str) -> None:
    status, error = post(server, "m", changed({}, **{field: None}))
    assert status == 400
    assert field in error


def test_an_empty_batch_has_an_empty_answer(server: Server) -> None:
    empty = np.zeros((0, 4), np.float32)
    for forms in ((True, True), (True, False), (False, True), (False, False)):
        (name,) = output_names(server, "m")
        answer = client.infer(server.url, "m", {"x": empty}, [name], *forms)
        assert answer[name].shape == (0, 4)
    status, answer = post(server, "m", changed({}, shape=[0, 4], data=[]))
    assert (status, answer) == (200, [])


def output_names(server: Server, model: str) -> list[str]:
    with triton.InferenceServerClient(server.url) as asking:
        return [output["name"] for output in asking.get_model_metadata(model)["outputs"]]


@pytest.mark.parametrize("dtype", SAME)
@pytest.mark.parametrize("binary", [True, False])
def test_every_type_that_paddle_has_comes_back(server: Server, dtype: str, binary: bool) -> None:
    model = f"same_{dtype}"
    x = np.array([[0, 1, 2, 3], [4, 5, 6, 7]]).astype(dtype)
    if dtype not in ("bool", "float16", "float64"):
        info = np.iinfo(dtype)
        x[1] = [info.min, info.max, info.min, info.max]
    (name,) = output_names(server, model)
    answer = client.infer(server.url, model, {"x": x}, [name], binary, binary)
    assert answer[name].dtype == x.dtype
    assert answer[name].tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [
        ("INT16", np.int16),
        ("UINT16", np.uint16),
        ("UINT32", np.uint32),
        ("UINT64", np.uint64),
        ("INT64", np.int64),
        ("FP64", np.float64),
        ("FP16", np.float16),
    ],
)
def test_a_type_that_a_model_does_not_take_is_named(
    server: Server, datatype: str, dtype: DTypeLike
) -> None:
    status, error = post(server, "m", request(ROWS.astype(dtype), datatype))
    assert status == 400
    assert f'input "x" is {datatype} [2,4], wanted FP32 [-1,4]' in error


def test_bytes_are_told_to_belong_to_no_model_of_paddle(server: Server) -> None:
    status, error = post(server, "m", changed({}, datatype="BYTES", data=["a"] * 8))
    assert status == 400
    assert 'input "x" is BYTES [2,4], wanted FP32 [-1,4]' in error
    tensor = triton.InferInput("x", [1, 4], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"a", b"", b"\xff", b"x" * 100]], np.object_))
    with (
        triton.InferenceServerClient(server.url) as asking,
        pytest.raises(triton.InferenceServerException, match=r"is BYTES \[1,4\], wanted FP32"),
    ):
        asking.infer("m", [tensor])


def test_a_type_that_no_protocol_has_is_named(server: Server) -> None:
    status, error = post(server, "m", changed({}, datatype="COMPLEX64"))
    assert status == 400
    assert '"COMPLEX64" is unknown' in error


def test_a_model_of_a_type_that_is_not_served_says_which(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="same_int16")
    done = run("serve", "--port=0", models.flag)
    assert done.returncode == 1
    assert "INT16" in done.stderr
    assert '"x"' in done.stderr or "input x" in done.stderr


def test_a_model_may_have_the_names_that_others_give_it(tmp_path: Path) -> None:
    models = Repository(tmp_path, m="times2")
    for file in (models.root / "m/1").iterdir():
        file.rename(file.with_stem("inference"))
    with serving(models.flag) as server:
        assert post(server, "m", request(ROWS)) == (200, DOUBLED)


@pytest.mark.parametrize(
    ("name", "told"), [("__model__", "model.pdmodel"), ("inference.json", "it is no text")]
)
def test_what_lies_where_a_model_should_is_named(tmp_path: Path, name: str, told: str) -> None:
    models = Repository(tmp_path, m="times2")
    directory = models.root / "m/1"
    (directory / "model.pdmodel").rename(directory / name)
    done = run("serve", "--port=0", models.flag)
    assert done.returncode == 1
    assert name in done.stderr
    assert told in done.stderr


def test_what_paddle_finds_is_the_clients_error_in_its_own_words(server: Server) -> None:
    status, error = post(server, "thirds", request(ROWS))
    assert status == 400
    assert "(InvalidArgument) " in error
    assert "(operator reshape2)" in error
    assert "In user code" not in error
    threes = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert post(server, "thirds", request(threes)) == (200, list(range(12)))


def test_what_leads_out_of_a_table_in_the_run_is_the_clients_error(server: Server) -> None:
    for wrong in (-1, 100, 2**40):
        status, error = post(server, "gather", request([[0, 0, 0, wrong]], "INT64"))
        assert status == 400
        assert error == (
            'model "gather" version 1: operator gather: an element of sum_0.tmp_0 is out of range, '
            "the model takes 0 to 99 (index in a dimension of 100)"
        )
    assert post(server, "gather", request([[0, 0, 0, 99]], "INT64")) == (200, [1] * 8)


def test_a_network_without_parameters_is_served(server: Server) -> None:
    (name,) = output_names(server, "softmax")
    answer = client.infer(server.url, "softmax", {"x": ROWS}, [name])[name]
    exponents = np.exp(ROWS - ROWS.max(axis=1, keepdims=True))
    np.testing.assert_allclose(answer, exponents / exponents.sum(axis=1, keepdims=True), 1e-6)


def test_a_network_that_appends_in_a_loop_is_served(server: Server) -> None:
    assert post(server, "appended", request([5], "INT64")) == (200, [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("coding", ["identity", "Identity", "IDENTITY", ""])
def test_a_coding_that_is_none_has_no_case(server: Server, coding: str) -> None:
    assert post(server, "m", request(ROWS), Content_Encoding=coding) == (200, DOUBLED)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_a_coding_that_is_not_served_is_named(server: Server, coding: str) -> None:
    body = request(ROWS)
    status, headers, error = server.call("POST", infer("m"), body, Content_Encoding=coding)
    assert (status, headers["Accept-Encoding"]) == (415, "gzip, deflate")
    assert f'Content-Encoding "{coding}"' in data(error)


def test_utf_8_in_a_path_is_told_to_be_encoded(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall("GET /v2/models/数字 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "percent-encode" in answer
    status, _, body = server.call("GET", "/v2/models/%E6%95%B0%E5%AD%97")
    assert status == 404
    assert 'unknown model "数字"' in data(body)


def test_a_name_in_chinese_is_served(tmp_path: Path) -> None:
    models = Repository(tmp_path)
    models.put("数字", 1, "times2")
    with serving(models.flag) as server:
        name = "%E6%95%B0%E5%AD%97"
        assert server.call("GET", f"/v2/models/{name}/ready")[0] == 200
        assert post(server, name, request(ROWS)) == (200, DOUBLED)


def test_connections_are_kept_for_longer_than_balancers_keep_theirs() -> None:
    # 60 s is what AWS's and nginx's do by default.
    done = run("serve", "--help")
    assert "--idle_timeout_ms INT:INT in [1 - 3600000]=75000" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"timeout": -1}, '"timeout"'),
        ({"timeout": "soon"}, '"timeout"'),
        ({"priority": 1.5}, '"priority"'),
        ({"priority": 2**64}, '"priority"'),
        ({"sequence_id": 1, "priority": -1}, '"priority"'),
    ],
)
def test_parameters_that_are_none_are_named(
    server: Server, parameters: dict[str, Any], error: str
) -> None:
    status, said = post(server, "m", request(ROWS, **parameters))
    assert status == 400
    assert error in said


@pytest.mark.parametrize("timeout", [0, 1 << 40, (1 << 64) - 1])
def test_any_length_of_time_is_a_timeout(server: Server, timeout: int) -> None:
    assert post(server, "m", request(ROWS, timeout=timeout)) == (200, DOUBLED)
