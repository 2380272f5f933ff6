import os
from collections.abc import Sequence
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

PADDLE_VERSION: str

class EngineError(RuntimeError): ...

@final
class TensorSpec:
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def lod_level(self) -> int: ...

@final
class LoDTensor:
    def __init__(self, data: NDArray[Any], lod: Sequence[Sequence[int] | NDArray[Any]]) -> None: ...
    @property
    def data(self) -> NDArray[Any]: ...
    @property
    def lod(self) -> tuple[tuple[int, ...], ...]: ...

@final
class Engine:
    def __init__(
        self, model_dir: str | os.PathLike[str], threads: int = 1, onednn: bool = True
    ) -> None: ...
    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...
    def clone(self) -> Engine: ...
    # Plain inputs give plain outputs, unless the model makes sequences of them itself.
    @overload
    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]: ...
    @overload
    def run(
        self, inputs: dict[str, LoDTensor] | dict[str, NDArray[Any] | LoDTensor]
    ) -> dict[str, NDArray[Any] | LoDTensor]: ...
