from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, final

from numpy.typing import NDArray

from ._engine import TensorSpec

LIMIT: Literal["min", "max"]
SIDE: int
LONGEST_SIDE: int
MIN_SCORE: float

@final
class Settings:
    def __init__(
        self,
        *,
        limit: str,
        side: int,
        longest_side: int,
        box_score: float | None,
        unclip_ratio: float | None,
        min_score: float,
    ) -> None: ...

@final
class Pipeline:
    def __init__(
        self, settings: Settings, detector: str, recogniser: str, line_shape: Sequence[int]
    ) -> None: ...
    def read(
        self,
        file: bytes,
        detect: Callable[[NDArray[Any]], NDArray[Any]],
        recognise: Callable[[NDArray[Any]], NDArray[Any]],
        classify: Callable[[NDArray[Any]], NDArray[Any]] | None,
    ) -> tuple[str, tuple[float, float, float]]: ...

def check_model(name: str, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec]) -> None: ...
