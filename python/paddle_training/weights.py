"""A trained network's parameters, for another run to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from paddle_training import checkpoint

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
        checkpoint.CheckpointError: there is no sound model or checkpoint.
    """
    if not is_model(path):
        arrays = checkpoint.read(path)[0].arrays
        return {
            key.removeprefix("network/"): array
            for key, array in arrays.items()
            if key.startswith("network/")
        }
    # They import paddle.
    from paddle_training import export, parameters

    try:
        _, exported = parameters.load(path)
    except export.ModelError as error:
        raise checkpoint.CheckpointError(str(error)) from error
    names = {key: tensor.name for key, tensor in network.state_dict().items()}
    return {key: exported[name] for key, name in names.items() if name in exported}
