"""value_probe.py DIRECTORY: gives each of value_networks.py its values; says what came of it.

Prints a line of JSON for each: {"name", "range", "runs": [[value, what]]}, where what is "answer",
"other bits" than those expected, the error's text, or "signal N". Each value has a process of its
own, in which the network must answer as before in the end.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle_engine


def run(
    engine: paddle_engine.Engine, inputs: dict[str, Any], value: float, expected: list[bytes] | None
) -> str:
    """What the engine does if the first element of ids is `value`."""
    ids = inputs["ids"].copy()
    ids.flat[0] = value
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            outputs = engine.run({**inputs, "ids": ids})
            same = expected is None or [o.tobytes() for o in outputs.values()] == expected
            said = "answer" if same else "other bits"
        except (ValueError, paddle_engine.EngineError) as error:
            said = f"{type(error).__name__}: {error}"
            engine.run(inputs)
        os.write(write, said.encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said


def main() -> None:
    root = Path(sys.argv[1])
    expected = pickle.loads((root / "expected").read_bytes())
    for name, (model, onednn, inputs, values) in pickle.loads(
        (root / "values").read_bytes()
    ).items():
        engine = paddle_engine.Engine(root / model, cpu_engine="onednn" if onednn else "plain")
        (spec,) = (spec for spec in engine.inputs if spec.name == "ids")
        bits = expected.get(name, {})
        runs = [[str(value), run(engine, inputs, value, bits.get(str(value)))] for value in values]
        runs.insert(0, ["as exported", run(engine, inputs, inputs["ids"].flat[0], None)])
        print(json.dumps({"name": name, "range": spec.range, "runs": runs}), flush=True)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
