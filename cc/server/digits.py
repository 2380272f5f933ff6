"""The digits model and its samples, which the server's tests ask for."""

import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DIGITS = Path(os.environ["DIGITS"])
SAMPLES = Path(os.environ["SAMPLES"])
IMAGES: NDArray[np.float32] = np.load(SAMPLES / "x.npy")
LABELS: NDArray[np.int64] = np.load(SAMPLES / "labels.npy")
REQUEST = (SAMPLES / "request.json").read_text()
INFER = "/v2/models/digits/infer"


def make_repository(root: Path) -> Path:
    """Two versions of digits, to serve."""
    for version in ("1", "2"):
        shutil.copytree(DIGITS, root / "digits" / version)
    return root
