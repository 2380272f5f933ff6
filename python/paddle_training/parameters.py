"""A model's parameters: model.pdiparams read and written without running the model."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paddle.base.proto import framework_pb2

from paddle_training.export import DENSE_TENSOR, PARAMETERS, PROGRAM, ModelError, read_program

_VAR_TYPE = framework_pb2.VarType
# By Paddle's names of types.
_DTYPES: dict[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT8": np.dtype("i1"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
# What stands before a tensor: a version, the number of its LoD levels, another version (all three
# 0 for a parameter), and the size of the TensorDesc that comes next. Then come the elements.
_HEAD = struct.Struct("<IQIi")


def names(program: Any) -> list[str]:
    """Of a ProgramDesc's parameters, in the order of model.pdiparams."""
    return sorted(
        variable.name
        for variable in program.blocks[0].vars
        if variable.persistable and variable.type.type == DENSE_TENSOR
    )


def load(directory: Path) -> tuple[Any, dict[str, NDArray[Any]]]:
    """A model's ProgramDesc, and its parameters by Paddle's names (conv2d_0.w_0).

    Raises:
        ModelError: a file is missing or damaged, or the two are not from one export.
    """
    try:
        program = read_program(directory / PROGRAM)
        tensors = read(directory / PARAMETERS)
    except OSError as error:
        raise ModelError(
            f"{directory}: {error.strerror}: {error.filename}. A model is a directory with "
            f"{PROGRAM} and {PARAMETERS}, such as `./bazelw build //python/digits` makes."
        ) from error
    known = names(program)
    if len(known) != len(tensors):
        raise ModelError(
            f"{directory}: {PROGRAM} has {len(known)} parameters, {PARAMETERS} holds "
            f"{len(tensors)}. Take both from the same export."
        )
    return program, dict(zip(known, tensors, strict=True))


def read(file: Path) -> list[NDArray[Any]]:
    """The tensors of a model.pdiparams, in the order of the file.

    Raises:
        ModelError: it is damaged; OSError: it cannot be read.
    """
    data, at = file.read_bytes(), 0
    tensors: list[NDArray[Any]] = []
    while at < len(data):
        try:
            tensor, after = _tensor(data, at)
        except Exception as error:  # struct's, NumPy's or protobuf's
            raise ModelError(
                f"{file}: tensor {len(tensors)}, at byte {at}, is damaged or of an unknown kind "
                f"({error}). Build or copy the model anew."
            ) from error
        tensors.append(tensor)
        at = after
    return tensors


def serialised(tensors: Iterable[NDArray[Any]]) -> bytes:
    """What a model.pdiparams holds of these tensors, in this order."""
    return b"".join(_bytes(tensor) for tensor in tensors)


def distance(here: Path, there: Path) -> float:
    """The length of here - there over the length of here, all parameters taken as one vector.

    Tensor by tensor it would mislead: the bias before a batch norm is mere rounding.

    Args:
        here: a model.pdiparams.
        there: another one, of the same shapes.
    """
    lengths = np.zeros(2)
    for mine, theirs in zip(read(here), read(there), strict=True):
        lengths += [np.square(mine - theirs, dtype="f8").sum(), np.square(mine, dtype="f8").sum()]
    apart, whole = np.sqrt(lengths)
    return float(apart / whole)


def _tensor(data: bytes, at: int) -> tuple[NDArray[Any], int]:
    """The tensor that begins at a byte, and where the next one does."""
    version, levels, tensor_version, size = _HEAD.unpack_from(data, at)
    if (version, levels, tensor_version) != (0, 0, 0):
        raise ValueError("an unknown format")
    at += _HEAD.size
    description = _VAR_TYPE.TensorDesc.FromString(data[at : at + size])
    at += size
    dtype = _DTYPES[_VAR_TYPE.Type.Name(description.data_type)]
    array = np.frombuffer(data, dtype, math.prod(description.dims), at)
    return array.reshape(description.dims).copy(), at + array.nbytes


def _bytes(tensor: NDArray[Any]) -> bytes:
    name = next(name for name, dtype in _DTYPES.items() if dtype == tensor.dtype)
    description = _VAR_TYPE.TensorDesc(
        data_type=_VAR_TYPE.Type.Value(name), dims=tensor.shape
    ).SerializeToString(deterministic=True)
    return _HEAD.pack(0, 0, 0, len(description)) + bytes(description) + tensor.tobytes()
