"""A trained network's parameters, for another run to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from paddle_images import checkpoint

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle


def is_model(path: Path) -> bool:
    """Whether it is the folder of an exported model; else it should be a checkpoint."""
    return (path / "model.pdmodel").is_file()


def read(path: Path, network: paddle.nn.Layer) -> dict[str, NDArray[Any]]:
    """Parameters by the keys of `network.state_dict()`; those that it has not are left out.

    Args:
        path: a model's folder, a checkpoint, or a folder of checkpoints, whose newest is taken.
        network: made as the first network of its process, or under `unique_name.guard()`, as the
            exported one was: an exported model knows parameters by Paddle's own names only.

    Raises:
        checkpoint.CheckpointError: there is no sound checkpoint.
    """
    if not is_model(path):
        arrays = checkpoint.read(path)[0].arrays
        return {
            key.removeprefix("network/"): array
            for key, array in arrays.items()
            if key.startswith("network/")
        }
    exported = _exported(path)
    names = {key: tensor.name for key, tensor in network.state_dict().items()}
    return {key: exported[name] for key, name in names.items() if name in exported}


def _exported(directory: Path) -> dict[str, NDArray[Any]]:
    """By Paddle's names (conv2d_0.w_0), which paddle.jit.load does not tell."""
    import paddle

    scope = paddle.static.Scope()
    paddle.enable_static()
    try:
        with paddle.static.scope_guard(scope):
            program, _, _ = paddle.static.load_inference_model(
                str(directory / "model"), paddle.static.Executor(paddle.CPUPlace())
            )
    finally:
        paddle.disable_static()
    names = [v.name for v in program.list_vars() if v.persistable]
    found = {name: scope.find_var(name) for name in names if name not in ("feed", "fetch")}
    return {name: np.array(variable.get_tensor()) for name, variable in found.items()}
