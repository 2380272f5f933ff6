"""All networks whose values are checked.

value_networks.py DIRECTORY: exports each into DIRECTORY/NAME, and writes to DIRECTORY/expected what
paddle.inference makes of the values that fit: {name: {value: bytes of the outputs}}, pickled.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import paddle
from guarded_cases import GUARDED, NOT_CAUGHT
from paddle import nn
from value_cases import CAUGHT, NEEDS_NONE, Case

ALL = {**CAUGHT, **GUARDED, **NOT_CAUGHT, **NEEDS_NONE}


class Network(nn.Layer):  # type: ignore[misc]
    """A case's parameters, filled so that foreign bytes would show, and its function."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case = case
        ones = nn.initializer.Constant(1.0)
        for i, made in enumerate(case.parameters):
            parameter = (
                made()
                if callable(made)
                else self.create_parameter(list(made), None, None, False, ones)
            )
            setattr(self, f"p{i}", parameter)

    def given(self) -> list[Any]:
        return [getattr(self, f"p{i}") for i in range(len(self.case.parameters))]


class OneInput(Network):
    def forward(self, i: paddle.Tensor) -> Any:
        return self.case.forward(*self.given(), i)


class TwoInputs(Network):
    def forward(self, x: paddle.Tensor, i: paddle.Tensor) -> Any:
        return self.case.forward(*self.given(), x, i)


def export(directory: Path) -> None:
    for name, case in ALL.items():
        network = (OneInput if case.x is None else TwoInputs)(case)
        network.eval()
        specs = [
            paddle.static.InputSpec(list(shape), str(array.dtype), input_name)
            for input_name, (array, shape) in case.inputs.items()
        ]
        paddle.jit.save(network, str(directory / name / "model"), input_spec=specs)


def expected(model: Path, case: Case) -> dict[str, list[bytes]]:
    parameters = f"{model}/model.pdiparams" if case.parameters else ""
    config = paddle.inference.Config(f"{model}/model.pdmodel", parameters)
    config.disable_glog_info()
    config.enable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    answers = {}
    for value in case.right:
        for name, (array, _) in case.inputs.items():
            given = array.copy()
            if name == "ids":
                given.flat[0] = value
            handle = predictor.get_input_handle(name)
            handle.reshape(given.shape)
            handle.copy_from_cpu(given)
        predictor.run()
        answers[str(value)] = [
            predictor.get_output_handle(name).copy_to_cpu().tobytes()
            for name in predictor.get_output_names()
        ]
    return answers


if __name__ == "__main__":
    root = Path(sys.argv[1])
    export(root)
    answers = {name: expected(root / name, case) for name, case in GUARDED.items()}
    (root / "expected").write_bytes(pickle.dumps(answers))
