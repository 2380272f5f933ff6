"""paddle_model makes a whole model of what a trainer without our library wrote."""

import json
import os
from pathlib import Path

MODEL = Path(os.environ["MODEL"])


def test_files() -> None:
    files = sorted(path.name for path in MODEL.iterdir())
    assert files == ["metadata.json", "model.pdiparams", "model.pdmodel", "model_card.md"]


def test_metadata() -> None:
    metadata = json.loads((MODEL / "metadata.json").read_text())
    assert metadata["name"] == "bare"
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert metadata["outputs"][0]["shape"] == [-1, 2]
    assert metadata["metrics"] == {"accuracy": 0.75}
    assert metadata["settings"] == {
        "epochs": 0,
        "MKL_CBWR": "COMPATIBLE",
        "OMP_NUM_THREADS": "1",
    }


def test_no_source_path() -> None:
    program = (MODEL / "model.pdmodel").read_bytes()
    assert b"op_callstack" not in program
    assert b".py" not in program
