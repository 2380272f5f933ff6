"""What is taken is told as it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from bazel.model.private import take
from paddle_training import runtime

runtime.start(0)

from paddle.base.proto import framework_pb2  # noqa: E402  # after runtime.start

from paddle_training import export  # noqa: E402


def program(path: Path, dims: list[int], lod_level: int) -> Path:
    """A program with the one output `boxes`, of FP32."""
    desc = framework_pb2.ProgramDesc()
    block = desc.blocks.add(idx=0, parent_idx=-1)
    variable = block.vars.add(name="boxes")
    variable.type.type = framework_pb2.VarType.LOD_TENSOR
    variable.type.lod_tensor.lod_level = lod_level
    variable.type.lod_tensor.tensor.data_type = framework_pb2.VarType.FP32
    variable.type.lod_tensor.tensor.dims.extend(dims)
    path.write_bytes(desc.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("dims", "offsets", "told"),
    [([3598, 6], None, ([-1, 6], 0)), ([-1, 6], [0, 5], ([-1, 6], 1)), ([5, 6], None, ([5, 6], 0))],
)
def test_outputs_are_told_as_they_come(
    tmp_path: Path, dims: list[int], offsets: list[int] | None, told: tuple[list[int], int]
) -> None:
    path = program(tmp_path / "model.pdmodel", dims, lod_level=1)
    answers = {"boxes": np.zeros((5, 6), np.int64)}
    if offsets:
        answers["boxes.lod"] = np.array(offsets, np.int64)
    take.correct_types(path, answers)
    tensor = export.read_program(path).blocks[0].vars[0].type.lod_tensor
    assert (list(tensor.tensor.dims), tensor.lod_level) == told
    assert tensor.tensor.data_type == framework_pb2.VarType.INT64


def test_where_a_file_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "models/1/model.pdmodel"
    assert take.source_of(file, "a/b.pdmodel") == "a/b.pdmodel"
    (tmp_path / "manifest.json").write_text("[]")  # not that of an image
    assert take.source_of(file, "a/b.pdmodel") == "a/b.pdmodel"
    info = tmp_path / "seer-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: seer\nVersion: 1\n")
    assert take.source_of(file, "") == "seer 1, models/1/model.pdmodel"
    (tmp_path / "manifest.json").write_text('{"layers": []}')
    digest = hashlib.sha256(b'{"layers": []}').hexdigest()
    assert take.source_of(file, "") == f"image sha256:{digest}, models/1/model.pdmodel"
