"""Parameters read from the files are those of the network, and damaged files say so."""
# ruff: noqa: E402  # paddle is imported after runtime.start

from pathlib import Path

import numpy as np
import pytest

from paddle_training import runtime

runtime.start(0)
import paddle

from paddle_training import checkpoint, export, parameters, weights


def save(directory: Path, bias: float = 0.0) -> paddle.nn.Layer:
    with paddle.utils.unique_name.guard():
        network = paddle.nn.Linear(2, 3)
    network.weight.set_value(paddle.to_tensor([[1.0, -4.0, 2.0], [0.5, 0.25, 0.0]]))
    network.bias.set_value(paddle.to_tensor([0.0, 0.0, bias]))
    spec = [paddle.static.InputSpec([None, 2], "float32", "x")]
    paddle.jit.save(network, str(directory / "model"), input_spec=spec)
    return network


def test_the_network_s_parameters_by_name(tmp_path: Path) -> None:
    network = save(tmp_path)
    _, found = parameters.load(tmp_path)
    assert found.keys() == {"linear_0.w_0", "linear_0.b_0"}
    for parameter in network.parameters():
        assert np.array_equal(found[parameter.name], parameter.numpy())
    assert weights.read(tmp_path, network).keys() == {"weight", "bias"}


def test_written_again_they_are_the_same_bytes(tmp_path: Path) -> None:
    save(tmp_path)
    file = tmp_path / export.PARAMETERS
    assert parameters.serialised(parameters.read(file)) == file.read_bytes()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4", "i8"])
def test_every_type_comes_back(dtype: str, tmp_path: Path) -> None:
    tensors = [np.arange(6, dtype=dtype).reshape(2, 3), np.ones((), dtype), np.ones((0, 4), dtype)]
    (tmp_path / "some").write_bytes(parameters.serialised(tensors))
    for tensor, found in zip(tensors, parameters.read(tmp_path / "some"), strict=True):
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert np.array_equal(found, tensor)


@pytest.mark.parametrize("end", [-1, 19, 22])
def test_a_file_cut_off_is_damaged(end: int, tmp_path: Path) -> None:
    network = save(tmp_path)
    file = tmp_path / export.PARAMETERS
    file.write_bytes(file.read_bytes()[:end])
    with pytest.raises(export.ModelError, match=r"model.pdiparams: tensor \d, at byte \d+, is dam"):
        parameters.load(tmp_path)
    with pytest.raises(checkpoint.CheckpointError, match="Build or copy the model anew"):
        weights.read(tmp_path, network)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    save(tmp_path)
    file = tmp_path / export.PARAMETERS
    file.write_bytes(parameters.serialised(parameters.read(file)[:1]))
    with pytest.raises(export.ModelError, match=r"has 2 parameters, model.pdiparams holds 1. Take"):
        parameters.load(tmp_path)
    file.unlink()
    with pytest.raises(export.ModelError, match=r"A model is a directory with model.pdmodel"):
        parameters.load(tmp_path)


def test_how_far_parameters_are_apart(tmp_path: Path) -> None:
    for name, bias in (("here", 0.0), ("there", 0.125)):
        save(tmp_path / name, bias)
    here, there = (tmp_path / name / export.PARAMETERS for name in ("here", "there"))
    assert parameters.distance(here, here) == 0
    assert parameters.distance(here, there) == pytest.approx(
        0.125 / np.linalg.norm([1.0, -4.0, 2.0, 0.5, 0.25])
    )
