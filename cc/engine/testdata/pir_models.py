"""Networks in Paddle 3's own format, and what its own paddle.inference answers.

pir_models.py DIR: writes for each NAME/model.json, NAME/model.pdiparams, the inputs
NAME/in.INPUT.npy, and the outputs NAME/out.OUTPUT.npy. Their bits depend on the CPU of this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

Tensors = dict[str, NDArray[Any]]


def cnn() -> Callable[..., Any]:
    network = nn.Sequential(
        nn.Conv2D(3, 8, 3),
        nn.BatchNorm2D(8),
        nn.Hardswish(),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Linear(8 * 15 * 15, 10),
        nn.Softmax(),
    )
    network.eval()
    return lambda x: network(x)


def words() -> Callable[..., Any]:
    """An embedding and an LSTM over sequences that end early."""
    table, lstm = nn.Embedding(50, 8), nn.LSTM(8, 6)
    lstm.eval()

    def network(ids: paddle.Tensor, lengths: paddle.Tensor) -> Any:
        return lstm(table(ids), sequence_length=lengths)[0]

    return network


def branches() -> Callable[..., Any]:
    layer = nn.Linear(4, 4)

    def network(x: paddle.Tensor) -> Any:
        y = paddle.static.nn.cond(x.sum() > 0, lambda: layer(x), lambda: x - 1)
        rounds = paddle.zeros([1], "int64")
        return paddle.static.nn.while_loop(
            lambda i, y: i < 3, lambda i, y: [i + 1, y * 2], [rounds, y]
        )[1]

    return network


def numbers() -> Tensors:
    random = np.random.RandomState(0)
    return {
        "x": random.standard_normal((5, 3, 32, 32)).astype(np.float32),
        "ids": random.randint(0, 50, (5, 7)).astype(np.int64),
        "lengths": np.array([7, 1, 3, 5, 2], np.int64),
        "rows": random.standard_normal((2, 4)).astype(np.float32),
    }


# The network, and its inputs: how many rows, and steps of time, is open.
NETWORKS: dict[str, tuple[Callable[[], Callable[..., Any]], list[str]]] = {
    "cnn": (cnn, ["x"]),
    "words": (words, ["ids", "lengths"]),
    "branches": (branches, ["rows"]),
}


def answers(folder: Path, inputs: Tensors) -> Tensors:
    config = paddle.inference.Config(str(folder / "model.json"), str(folder / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    config.disable_onednn()
    predictor = paddle.inference.create_predictor(config)
    for name in predictor.get_input_names():
        handle = predictor.get_input_handle(name)
        handle.reshape(inputs[name].shape)
        handle.copy_from_cpu(inputs[name])
    predictor.run()
    return {n: predictor.get_output_handle(n).copy_to_cpu() for n in predictor.get_output_names()}


def export(folder: Path, make: Callable[[], Callable[..., Any]], inputs: Tensors) -> None:
    main, start = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main, start):
        tensors = [
            paddle.static.data(name, [None, *array.shape[1:]], str(array.dtype))
            for name, array in inputs.items()
        ]
        output = make()(*tensors)
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(start)
        paddle.static.save_inference_model(
            str(folder / "model"),
            tensors,
            [output],
            executor,
            program=main,
        )
    for name, array in inputs.items():
        np.save(folder / f"in.{name}.npy", array)
    for name, array in answers(folder, inputs).items():
        np.save(folder / f"out.{name}.npy", array)


if __name__ == "__main__":
    paddle.enable_static()
    paddle.seed(1)
    known = numbers()
    for name, (make, names) in NETWORKS.items():
        export(Path(sys.argv[1], name), make, {n: known[n] for n in names})
