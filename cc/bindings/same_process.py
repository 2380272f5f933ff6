"""Does steps with paddle, paddle_engine or both in this one process, and says what it saw.

same_process.py STEP...: prints one JSON object for each step.

    paddle   runs all samples by paddle.inference
    engine   runs them by paddle_engine
    both     the two at once, each with its first import, in threads of their own
    train    a training step, for what inference does not touch
    ocr      loads what reads pictures
"""

import hashlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])


def paddle_inference(onednn: bool) -> bytes:
    paddle = importlib.import_module("paddle")
    config = paddle.inference.Config(str(MODEL / "model.pdmodel"), str(MODEL / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if not onednn:
        config.disable_mkldnn()
    predictor = paddle.inference.create_predictor(config)
    handle = predictor.get_input_handle("x")
    x = np.load(SAMPLES / "x.npy")
    handle.reshape(x.shape)
    handle.copy_from_cpu(x)
    predictor.run()
    logits: bytes = predictor.get_output_handle("logits").copy_to_cpu().tobytes()
    return logits


def engine(onednn: bool) -> bytes:
    paddle_engine = importlib.import_module("paddle_engine")
    model = paddle_engine.Engine(MODEL, cpu_engine="onednn" if onednn else "plain")
    logits: bytes = model.run({"x": np.load(SAMPLES / "x.npy")})["logits"].tobytes()
    return logits


def digests(run: Callable[[bool], bytes]) -> list[str]:
    """Of all outputs with and without oneDNN."""
    return [hashlib.sha256(run(onednn)).hexdigest() for onednn in (True, False)]


def train() -> list[str]:
    paddle = importlib.import_module("paddle")
    paddle.disable_static()  # its import does so, but for the importing thread only
    layer = paddle.nn.Linear(3, 2)
    optimizer = paddle.optimizer.SGD(parameters=layer.parameters())
    before = layer.weight.numpy()
    layer(paddle.ones([4, 3])).sum().backward()
    optimizer.step()
    assert np.abs(before - 0.004 - layer.weight.numpy()).max() < 1e-6
    return []


def ocr() -> list[str]:
    importlib.import_module("paddle_engine.ocr")
    return []


def both() -> list[str]:
    seen: dict[str, list[str]] = {}
    start = threading.Barrier(2)

    def enter(run: Callable[[bool], bytes]) -> None:
        start.wait()
        seen[run.__name__] = digests(run)

    threads = [threading.Thread(target=enter, args=(run,)) for run in (paddle_inference, engine)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen["paddle_inference"] + seen["engine"]


def mapped() -> dict[str, int]:
    """Libraries of interest -> where the loader put them, one entry for each file."""
    found: dict[str, int] = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        path = Path(fields[-1])
        if path.name.startswith(("libpaddle", "libdnnl", "libiomp5", "libmklml", "libpython")):
            start = int(fields[0].partition("-")[0], 16)
            found[str(path)] = min(start, found.get(str(path), start))
    return found


def main() -> None:
    steps: dict[str, Callable[[], list[str]]] = {
        "paddle": lambda: digests(paddle_inference),
        "engine": lambda: digests(engine),
        "both": both,
        "train": train,
        "ocr": ocr,
    }
    for step in sys.argv[1:]:
        seen: dict[str, Any] = {"step": step, "digests": steps[step](), "mapped": mapped()}
        seen["paddle imported"] = "paddle" in sys.modules
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
