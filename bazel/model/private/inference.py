"""paddle.inference on arrays; where rows of a tensor NAME are sequences, NAME.lod is beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def run(
    model: Path,
    inputs: Mapping[str, NDArray[Any]],
    onednn: bool = False,
    int8: bool = False,
) -> dict[str, NDArray[Any]]:
    """The outputs of a folder's model by name, in order; with oneDNN as a server runs it by itself.

    Offsets are int64[sequences + 1], one level of LoD.
    """
    import paddle

    from paddle_training import export

    config = paddle.inference.Config(str(export.program_in(model)), str(model / export.PARAMETERS))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if not onednn:
        config.disable_mkldnn()
    elif int8:
        config.enable_mkldnn()
        config.enable_mkldnn_int8({"conv2d", "depthwise_conv2d"})  # what //cc/engine does
    predictor = paddle.inference.create_predictor(config)
    for name in predictor.get_input_names():
        handle = predictor.get_input_handle(name)
        handle.reshape(inputs[name].shape)
        handle.copy_from_cpu(inputs[name])
        level = inputs.get(f"{name}.lod")
        handle.set_lod([] if level is None else [level.tolist()])
    predictor.run()
    outputs: dict[str, NDArray[Any]] = {}
    for name in predictor.get_output_names():
        handle = predictor.get_output_handle(name)
        outputs[name] = handle.copy_to_cpu()
        if lod := handle.lod():
            (level,) = lod
            outputs[f"{name}.lod"] = np.array(level, np.int64)
    return outputs
