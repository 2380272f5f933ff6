"""Runs an exported Paddle model: the C++ engine that the server uses, for Python.

    import numpy as np
    import paddle_engine

    digits = paddle_engine.Engine("models/digits")  # model.pdmodel, model.pdiparams
    print(digits.inputs)
    outputs = digits.run({"x": np.zeros((1, 1, 8, 8), np.float32)})

The bits are those of paddle.inference with the same settings.

Arrays: an input whose elements lie in order (C order) is read where it is, any other is copied
first. An output is the caller's: no later run writes to it.

Sequences of unequal length (LoD): an input whose spec has a lod_level is given as
`LoDTensor(data, lod)`, where lod holds a list of offsets for each level: with [[0, 2, 5]] rows 0
and 1 are one sequence, rows 2 to 4 another. An output with offsets comes as a LoDTensor.

Values: Paddle looks up rows and indices without a look at them. Where a model says by its tables
what they must be, `spec.range` has the least and the greatest, and others are a ValueError.

Memory: an instance keeps what its largest run has taken; `release()` gives it back to the system.

Threads: one instance runs in one thread at a time; a second one waits. To run at the same time,
give each thread a `clone()`, which shares the weights. The GIL is released while a model is loaded,
cloned or run, so leave the inputs alone until `run` returns.

GPUs: `report_gpus(run_model, say)` is what the server's gpu-check says, line by line to `say`; it
gives the exit code. It calls `run_model(gpu)` for each GPU, which tells what came out, or raises an
EngineError that says what went wrong.

Processes: a fork waits for runs, up to two seconds; the child goes on with its instances. If a load
took longer, they are an EngineError there.

Errors: ValueError for wrong inputs and options, FileNotFoundError for a missing file, EngineError
for all else.

The engine is libpaddle.so of the installed paddlepaddle: before, after or without `import paddle`.
What must be set before paddle is imported (MKL_CBWR, OMP_NUM_THREADS) must be set before this
package is.
"""

import ctypes
import importlib.util
from pathlib import Path


def _load_libpaddle() -> None:
    """Loads libpaddle.so as `import paddle` does, by its path and for itself alone.

    The extension module names it without a path: the loader gives it this copy, and could find no
    other. `import paddle`, before or after, asks for the same file and so gets the same copy.
    """
    found = importlib.util.find_spec("paddle")  # runs nothing of it
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "paddle_engine needs the libpaddle.so of paddlepaddle, which is not installed. Install "
            "the version that the metadata of paddle_engine names.",
            name="paddle",
        )
    ctypes.CDLL(str(Path(found.origin).parent / "base" / "libpaddle.so"))


_load_libpaddle()

from ._engine import (  # noqa: E402
    PADDLE_VERSION,
    Engine,
    EngineError,
    LoDTensor,
    TensorSpec,
    report_gpus,
)

__all__ = ["PADDLE_VERSION", "Engine", "EngineError", "LoDTensor", "TensorSpec", "report_gpus"]
