"""What a training begins with that goes on from a model or a checkpoint of another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chinese_ocr import lines
from paddle_training import checkpoint, training, weights

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle


def characters(path: Path) -> list[str]:
    """The set that the model or the checkpoint at a path was trained for."""
    if weights.is_model(path):
        return lines.read_characters(path / lines.CHARACTERS)
    _, configuration = checkpoint.read(path)
    if "characters" not in configuration:
        raise lines.LineError(f"{path}: no checkpoint of chinese_ocr: it names no characters")
    return list(configuration["characters"])


def put_into(network: paddle.nn.Layer, path: Path, wanted: list[str]) -> str:
    """Puts its parameters into a network for the wanted characters; returns their digest.

    The classes of characters that both know are taken over, those of new ones stay as they are.
    """
    import paddle

    arrays = weights.read(path, network)
    known = {c: i for i, c in enumerate(characters(path), lines.BLANK + 1)}
    shared = [(i, known[c]) for i, c in enumerate(wanted, lines.BLANK + 1) if c in known]
    new, old = map(list, zip((lines.BLANK, lines.BLANK), *shared, strict=True))
    state = network.state_dict()
    for key, tensor in state.items():
        value = tensor.numpy()
        if key in arrays and key.startswith("classify."):
            value[..., new] = arrays[key][..., old]
        elif key in arrays and arrays[key].shape == value.shape:
            value = arrays[key]
        else:
            raise lines.LineError(
                f"{path}: its network is another: {key} should be {list(value.shape)}, and is "
                f"{list(arrays[key].shape) if key in arrays else 'missing'}"
            )
        state[key] = paddle.to_tensor(value)
    network.set_state_dict(state)
    return training.digest(*(tensor.numpy() for tensor in state.values()))
