"""How far the parameters of two exported models are apart."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paddle.base.proto import framework_pb2

_VAR_TYPE = framework_pb2.VarType
_DTYPES: dict[int, np.dtype[Any]] = {
    _VAR_TYPE.FP32: np.dtype("<f4"),
    _VAR_TYPE.FP64: np.dtype("<f8"),
    _VAR_TYPE.INT8: np.dtype("i1"),
    _VAR_TYPE.INT32: np.dtype("<i4"),
    _VAR_TYPE.INT64: np.dtype("<i8"),
}


def read(file: Path) -> Iterator[NDArray[Any]]:
    """The tensors of a model.pdiparams, flat, in the order of the file.

    Each is a version, the number of its LoD levels (none for a parameter), another version, the
    size of a TensorDesc, that, and the elements.
    """
    data = file.read_bytes()
    at = 0
    while at < len(data):
        _, lod_levels, _, size = struct.unpack_from("<IQIi", data, at)
        if lod_levels:
            raise ValueError(f"{file}: a parameter with LoD at byte {at}")
        at += struct.calcsize("<IQIi")
        tensor = _VAR_TYPE.TensorDesc.FromString(data[at : at + size])
        at += size
        dtype, count = _DTYPES[tensor.data_type], math.prod(tensor.dims)
        yield np.frombuffer(data, dtype, count, at)
        at += count * dtype.itemsize


def distance(here: Path, there: Path) -> float:
    """The length of here - there over the length of here, all parameters taken as one vector.

    Tensor by tensor it would mislead: the bias before a batch norm is mere rounding.
    """
    lengths = np.zeros(2)
    for mine, theirs in zip(read(here), read(there), strict=True):
        lengths += [np.square(mine - theirs, dtype="f8").sum(), np.square(mine, dtype="f8").sum()]
    apart, whole = np.sqrt(lengths)
    return float(apart / whole)
