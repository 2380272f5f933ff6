import os
from typing import Any, final

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
    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]: ...
