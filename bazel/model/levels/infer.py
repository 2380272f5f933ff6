"""Runs an exported model by paddle.inference on its samples; prints one JSON object.

    infer.py MODEL SAMPLES onednn|plain SECONDS

{"digest": of all outputs, "milliseconds": CPU time of the first row, median of SECONDS, or null}
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import paddle


def main() -> None:
    model, samples = Path(sys.argv[1]), Path(sys.argv[2])
    config = paddle.inference.Config(str(model / "model.pdmodel"), str(model / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if sys.argv[3] == "plain":
        config.disable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    metadata = json.loads((model / "metadata.json").read_text())
    inputs = {t["name"]: np.load(samples / f"{t['name']}.npy") for t in metadata["inputs"]}

    def run(rows: int | None) -> None:
        for name, array in inputs.items():
            handle = predictor.get_input_handle(name)
            handle.reshape(array[:rows].shape)
            handle.copy_from_cpu(array[:rows])
        predictor.run()

    run(None)
    digest = hashlib.sha256()
    for name in predictor.get_output_names():
        digest.update(predictor.get_output_handle(name).copy_to_cpu().tobytes())

    # CPU time: one thread computes, and what else the machine does counts less.
    times = []
    end = time.process_time() + float(sys.argv[4])
    while (start := time.process_time()) < end:
        run(1)
        times.append(time.process_time() - start)
    # The first ones warm up.
    median = statistics.median(times[len(times) // 10 :]) * 1000 if times else None
    json.dump({"digest": digest.hexdigest(), "milliseconds": median}, sys.stdout)


if __name__ == "__main__":
    main()
