"""Exported files describe themselves, run, and say nothing about where they were made."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from paddle_training import runtime

runtime.start(0)
import paddle
from paddle import nn
from paddle.static import InputSpec

from paddle_training import export

SPEC = [InputSpec([None, 4], "float32", "x")]


class Two(nn.Layer):  # type: ignore[misc]  # paddle has no type stubs
    """Two inputs of different types, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: paddle.Tensor, k: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """A linear layer, and the largest place shifted."""
        y = self.fc(x)
        return y, y.argmax(axis=1) + k


def save(directory: Path, outputs: tuple[str, ...] = ("y",)) -> nn.Layer:
    net = nn.Linear(4, 2)
    net.eval()
    export.save(
        net,
        directory,
        name="linear",
        inputs=SPEC,
        outputs=outputs,
        metrics={"accuracy": 0.5},
        settings={"seed": 3, "data": "sha256:1"},
        description="A line.",
        data={"licence": "CC0-1.0"},
        precision="int8",
    )
    return net


def test_files_and_metadata(tmp_path: Path) -> None:
    save(tmp_path / "new" / "m")
    files = sorted(p.name for p in (tmp_path / "new" / "m").iterdir())
    assert files == [
        "metadata.json",
        "model.pdiparams",
        "model.pdmodel",
    ]  # and no pickle
    metadata = json.loads((tmp_path / "new" / "m" / "metadata.json").read_text())
    assert metadata["name"] == "linear"
    assert metadata["description"] == "A line."
    assert "licence" not in metadata
    assert metadata["precision"] == "int8"
    assert metadata["data"] == {"licence": "CC0-1.0", "digest": "sha256:1"}
    assert metadata["paddle_version"] == paddle.__version__
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}]
    assert metadata["metrics"] == {"accuracy": 0.5}
    assert metadata["settings"] == {"seed": 3, **runtime.DETERMINISTIC_ENVIRONMENT}
    assert set(metadata["digests"]) == {"model.pdmodel", "model.pdiparams"}


def test_several_inputs_and_outputs_keep_their_order_and_types(tmp_path: Path) -> None:
    net = Two()
    net.eval()
    export.save(
        net,
        tmp_path,
        name="two",
        inputs=[InputSpec([None, 4], "float32", "x"), InputSpec([1], "int64", "k")],
        outputs=["scores", "place"],
        metrics={},
        settings={},
    )
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert [(i["name"], i["datatype"]) for i in metadata["inputs"]] == [
        ("x", "FP32"),
        ("k", "INT64"),
    ]
    assert [(o["name"], o["datatype"]) for o in metadata["outputs"]] == [
        ("scores", "FP32"),
        ("place", "INT64"),
    ]


def test_the_program_still_computes_the_same(tmp_path: Path) -> None:
    net = save(tmp_path)
    x = np.random.RandomState(0).rand(3, 4).astype(np.float32)
    config = paddle.inference.Config(
        str(tmp_path / "model.pdmodel"), str(tmp_path / "model.pdiparams")
    )
    config.disable_mkldnn()
    config.disable_glog_info()
    predictor = paddle.inference.create_predictor(config)
    assert predictor.get_input_names() == ["x"]
    assert predictor.get_output_names() == ["y"]
    predictor.get_input_handle("x").copy_from_cpu(x)
    predictor.run()
    served = predictor.get_output_handle("y").copy_to_cpu()
    assert served.tobytes() == net(paddle.to_tensor(x)).numpy().tobytes()


def test_source_paths_are_found_and_taken_out(tmp_path: Path) -> None:
    raw, done = tmp_path / "raw", tmp_path / "done"
    net = nn.Linear(4, 2)
    paddle.jit.save(net, str(raw / "model"), input_spec=SPEC)
    assert any("op_callstack" in leak or ".py" in leak for leak in export.build_paths(raw))
    metadata = export.finish(raw, done, "bare")
    assert export.build_paths(done) == []
    assert metadata["metrics"] == {}
    assert b"op_callstack" not in (done / "model.pdmodel").read_bytes()


def test_paths_that_remain_are_named(tmp_path: Path) -> None:
    save(tmp_path)
    told = json.loads((tmp_path / "metadata.json").read_text())
    told["settings"]["data"] = "/srv/shared/digits.csv"
    (tmp_path / "metadata.json").write_text(json.dumps(told))
    with (tmp_path / "model.pdiparams").open("ab") as file:
        file.write(b"\0/x/execroot/_main/bazel-out\0")
    assert export.build_paths(tmp_path) == [
        "metadata.json: /srv/shared/digits.csv",
        "model.pdiparams: /x/execroot/_main/bazel-out",
    ]


def test_finishing_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "words.txt").write_text("one\ntwo\n")
    save(tmp_path / "a")
    export.finish(tmp_path / "a", tmp_path / "b", "linear")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (("y", "z"), "1 outputs, 2 names were given"),
        (("a/b",), "no names for inputs or outputs"),
        (("x",), "something else has already"),
    ],
)
def test_wrong_output_names(tmp_path: Path, outputs: tuple[str, ...], message: str) -> None:
    with pytest.raises(export.ModelError, match=message):
        save(tmp_path, outputs)


def test_a_program_in_each_format_is_one_too_many(tmp_path: Path) -> None:
    for name in (export.PROGRAM, export.PIR):
        (tmp_path / name).touch()
    with pytest.raises(export.ModelError, match=r"wrote both model\.pdmodel and model\.json"):
        export.finish(tmp_path, tmp_path / "out", "m")


def test_a_json_that_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / export.PIR).write_text('{"base_code": {}}')
    with pytest.raises(export.ModelError, match=r"model\.json is no program of Paddle"):
        export.finish(tmp_path, tmp_path / "out", "m")


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(export.ModelError, match=r"wrote no model\.pdmodel; it wrote: nothing"):
        export.finish(tmp_path, tmp_path, "m")
    save(tmp_path)
    (tmp_path / "model.pdmodel").write_bytes(b"\xff" * 40)
    with pytest.raises(export.ModelError, match=r"model\.pdmodel is no program of Paddle"):
        export.finish(tmp_path, tmp_path, "m")


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [
        ("float32", "FP32"),
        ("float64", "FP64"),
        ("int64", "INT64"),
        ("uint8", "UINT8"),
        ("bool", "BOOL"),
    ],
)
def test_request_of_the_first_row(tmp_path: Path, dtype: str, datatype: str) -> None:
    x = np.arange(12).reshape(3, 2, 2).astype(dtype)
    export.save_samples(tmp_path, {"x": x}, {"y": x}, np.arange(3))
    (sent,) = json.loads((tmp_path / "request.json").read_text())["inputs"]
    assert (sent["name"], sent["datatype"], sent["shape"]) == ("x", datatype, [1, 2, 2])
    assert np.array_equal(np.array(sent["data"], dtype), x[0].ravel())
    assert np.array_equal(np.load(tmp_path / "y.npy"), x)


def test_request_of_the_first_sequence(tmp_path: Path) -> None:
    x = np.arange(10, dtype=np.int64).reshape(5, 2)
    y = np.zeros((2, 3), np.float32)  # a row for each sequence
    export.save_samples(tmp_path, {"x": x}, {"y": y}, lod={"x": [0, 2, 5]})
    (sent,) = json.loads((tmp_path / "request.json").read_text())["inputs"]
    assert (sent["shape"], sent["parameters"]) == ([2, 2], {"lod": [0, 2]})
    assert sent["data"] == [0, 1, 2, 3]
    offsets = np.load(tmp_path / "x.lod.npy")
    assert (offsets.tolist(), offsets.dtype) == ([0, 2, 5], np.int64)
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        "request.json",
        "x.lod.npy",
        "x.npy",
        "y.npy",
    ]


def test_golden_files_say_whether_they_are_whole(tmp_path: Path) -> None:
    x = np.zeros((3, 2), np.float32)
    export.save_samples(tmp_path, {"x": x}, {"y": x}, np.arange(3))
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [
        "labels.npy",
        "request.json",
        "x.npy",
        "y.npy",
    ]
    for line in lines:
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
