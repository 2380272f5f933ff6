"""What is taken is told as it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click
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


def pir_program(path: Path, shape: list[int]) -> Path:
    """A program of Paddle 3 with the one output `boxes`, of FP32."""
    tensor = {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, shape, "NCHW", [], 0]}
    attributes = [
        {"N": "name", "AT": {"#": "0.a_str", "D": "boxes"}},
        {"N": "col", "AT": {"#": "0.a_i32", "D": 0}},
    ]
    fetch = {"#": "1.fetch", "A": attributes, "I": [{"%": 1}], "O": [{"%": 2, "TT": tensor}]}
    program = {"regions": [{"blocks": [{"ops": [fetch]}]}]}
    path.write_text(json.dumps({"base_code": {"magic": "pir"}, "program": program}))
    return path


def test_a_program_of_paddle_3_is_held_to_what_it_says(tmp_path: Path) -> None:
    path = pir_program(tmp_path / export.PIR, [-1, 6])
    before = path.read_bytes()
    take.correct_types(path, {"boxes": np.zeros((5, 6), np.float32)})
    assert path.read_bytes() == before
    for wrong, said in (
        (np.zeros((5, 6), np.int64), r"boxes is FP32 \[-1, 6\], and gives INT64 \[5, 6\]"),
        (np.zeros((5, 7), np.float32), r"gives FP32 \[5, 7\]"),
        (np.zeros(5, np.float32), r"gives FP32 \[5\]"),
    ):
        with pytest.raises(export.ModelError, match=said):
            take.correct_types(path, {"boxes": wrong})


def test_paddle_2_is_not_given_a_program_of_paddle_3(tmp_path: Path) -> None:
    path = pir_program(tmp_path / "inference.json", [-1, 6])
    with pytest.raises(click.ClickException, match=r'format of Paddle 3: it takes `paddle = "3"`'):
        take.convert(path, tmp_path / "inference.pdiparams", tmp_path)


def test_a_list_in_a_file_is_a_line_for_each_text(tmp_path: Path) -> None:
    file, out = tmp_path / "inference.yml", tmp_path / "characters.txt"
    file.write_text("PostProcess:\n  dict: [\u3000, '7', no thing]\n  one: [1]\n")
    take.copy(f"{file}#PostProcess.dict", out)
    assert out.read_bytes().decode() == "\u3000\n7\nno thing\n"
    take.copy(str(file), out)
    assert out.read_bytes() == file.read_bytes()
    for keys, said in (
        ("PostProcess.none", "has no PostProcess.none"),
        ("PostProcess", "is no list"),
        ("PostProcess.one", "has 1, which is no line of text"),
    ):
        with pytest.raises(click.ClickException, match=said):
            take.copy(f"{file}#{keys}", out)


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
