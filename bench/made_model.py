"""Makes a model with so many megabytes of parameters: made_model.py FOLDER MEGABYTES."""

from __future__ import annotations

import sys
from pathlib import Path

import paddle
from paddle import nn
from paddle.static import InputSpec

from paddle_training import export

_INPUTS, _OUTPUTS, _BYTES = 16, 4, 4


def main(folder: Path, megabytes: int) -> None:
    width = round((megabytes * 1e6 / _BYTES) ** 0.5)
    network = nn.Sequential(
        nn.Linear(_INPUTS, width), nn.Linear(width, width), nn.Linear(width, _OUTPUTS)
    )
    network.eval()
    export.save(
        network,
        folder,
        name="made",
        inputs=[InputSpec([None, _INPUTS], "float32", "x")],
        outputs=["y"],
        metrics={},
        settings={},
    )


if __name__ == "__main__":
    paddle.seed(0)
    main(Path(sys.argv[1]), int(sys.argv[2]))
