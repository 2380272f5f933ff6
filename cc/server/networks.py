"""Small networks that tests serve for what they do to a server.

networks.py FILE: exports each as NAME/model.pdmodel and NAME/model.pdiparams of a tar file.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
import paddle.nn.functional as F  # noqa: N812
from paddle import nn
from paddle.static import InputSpec

Shape = list[int | None]


def rows(dtype: str = "float32", shape: Shape | None = None) -> InputSpec:
    return InputSpec(shape or [None, 4], dtype, "x")


class Times(nn.Layer):  # type: ignore[misc]
    """Multiplies by a number, so that an answer tells which version gave it."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        constant = nn.initializer.Constant(factor)
        self.factor = self.create_parameter([4], None, None, False, constant)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.factor


class Function(nn.Layer):  # type: ignore[misc]
    """A table of 100 rows of ones, and a function of it and the input."""

    def __init__(self, function: Callable[[paddle.Tensor, paddle.Tensor], Any]) -> None:
        super().__init__()
        ones = nn.initializer.Constant(1.0)
        self.table = self.create_parameter([100, 8], None, None, False, ones)
        self.function = function

    def forward(self, x: paddle.Tensor) -> Any:
        return self.function(self.table, x)


class Softmax(nn.Layer):  # type: ignore[misc]
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.softmax(x)


class Same(nn.Layer):  # type: ignore[misc]
    """The input again, of any type."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return paddle.reshape(x, [-1, 4])


def boxes(table: paddle.Tensor, counts: paddle.Tensor) -> paddle.Tensor:
    """Four boxes in four images: their counts must add up to four, and nothing sees to that."""
    images = table.reshape([4, 1, 10, 20])
    corners = paddle.to_tensor([[0.0, 0.0, 4.0, 4.0]] * 4)
    return paddle.vision.ops.roi_align(images, corners, counts[0].astype("int32"), 1)


def rounds(table: paddle.Tensor, n: paddle.Tensor) -> paddle.Tensor:
    """Computes for as long as it is told."""
    count = paddle.zeros([1], "int64")
    while count < n:
        count = count + 1
    return count


def endless(table: paddle.Tensor, n: paddle.Tensor) -> paddle.Tensor:
    """Computes for hours, whatever it is told."""
    count = paddle.zeros([1], "int64")
    while count < n.clip(10**12):
        count = count + 1
    return count


def appended(table: paddle.Tensor, n: paddle.Tensor) -> paddle.Tensor:
    """A list that grows in a loop, as decoders have it."""
    count = paddle.zeros([1], "int64")
    found = [paddle.zeros([1], "int64")]
    while count < n:
        count = count + 1
        found.append(count)
    return paddle.concat(found)


NETWORKS: dict[str, tuple[nn.Layer, InputSpec]] = {
    "times1": (Times(1), rows()),
    "times2": (Times(2), rows()),
    "boxes": (Function(boxes), rows("int64", [1, 4])),
    # Its inputs tell no range: what does not fit is found in the run.
    "gather": (Function(lambda w, i: paddle.gather(w, i.sum(axis=1))), rows("int64")),
    # What does not fit is known of a part of the input.
    "first": (Function(lambda w, i: F.embedding(i[:, 0], w)), rows("int64")),
    # Paddle's own check is the one that finds what does not fit.
    "thirds": (Function(lambda w, x: paddle.reshape(x, [3, -1])), rows()),
    "embedding": (Function(lambda w, i: F.embedding(i, w)), rows("int64")),
    "rounds": (Function(rounds), rows("int64", [1])),
    "endless": (Function(endless), rows("int64", [1])),
    "appended": (Function(appended), rows("int64", [1])),
    # As much memory as it is told.
    "fill": (Function(lambda w, n: paddle.full([n], 1.0).sum()), rows("int64", [1])),
    "softmax": (Softmax(), rows()),
    # Only its requests say how wide it is.
    "wide": (Softmax(), rows(shape=[None, None])),
    **{
        f"same_{dtype}": (Same(), rows(dtype))
        for dtype in ("int8", "uint8", "int16", "int32", "int64", "bool", "float16", "float64")
    },
}


def export(file: Path) -> None:
    with tempfile.TemporaryDirectory() as directory, tarfile.open(file, "w") as archive:
        for name, (network, spec) in NETWORKS.items():
            network.eval()
            made = Path(directory, name)
            paddle.jit.save(network, str(made / "model"), input_spec=[spec])
            # The second is not there where a network has no parameters.
            for path in (made / "model.pdmodel", made / "model.pdiparams"):
                if path.exists():
                    archive.add(path, f"{name}/{path.name}")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
