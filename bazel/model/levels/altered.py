"""Runs a training program with settings taken away, to show what each of them is for.

    altered.py SETTING[,SETTING...] MAIN [ARGUMENT...]

What is taken away, beside the environment variables of paddle_training.runtime, is what
training.refuse_unportable would refuse: the program gets the unportable kind in its place.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

from paddle_training import runtime, training

UNPORTABLE = {"GroupNorm": "BatchNorm", "Momentum": "Adam", "Lamb": "Adam"}
SETTINGS = (*runtime.DETERMINISTIC_ENVIRONMENT, *UNPORTABLE)


def take_away(settings: list[str]) -> None:
    """Changes paddle and paddle_images in this process; before paddle is imported."""
    for setting in settings:
        runtime.DETERMINISTIC_ENVIRONMENT.pop(setting, None)
    os.environ.update(runtime.DETERMINISTIC_ENVIRONMENT)
    if not UNPORTABLE.keys() & settings:
        return
    import paddle

    def adam(learning_rate: Any, parameters: Any, **_: Any) -> paddle.optimizer.Adam:
        return paddle.optimizer.Adam(0.001, parameters=parameters)

    def batch_norm(num_groups: int, num_channels: int) -> paddle.nn.BatchNorm2D:
        del num_groups
        return paddle.nn.BatchNorm2D(num_channels)

    if "GroupNorm" in settings:
        paddle.nn.GroupNorm = batch_norm
    for optimizer in {"Momentum", "Lamb"} & set(settings):
        setattr(paddle.optimizer, optimizer, adam)
    training.refuse_unportable = lambda *_: None


def main() -> None:
    settings, program, *arguments = sys.argv[1:]
    take_away(settings.split(","))
    sys.argv = [program, *arguments]
    # As Python does for a program that it starts.
    sys.path[0] = str(Path(program).parent)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
