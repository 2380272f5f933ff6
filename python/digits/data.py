"""scikit-learn's handwritten digits, split into rows to train on and rows held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

_SPLIT_SEED = 0  # no option: accuracies and held-out samples of different runs stay comparable


@dataclass(frozen=True)
class Split:
    """Images [N, 1, 8, 8] with ink from 0 to 1, and the digit that each of them shows."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Split, Split]:
    """The rows to train on (four fifths), the rows held out."""
    digits = load_digits()
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(digits.images))
    images = (digits.images / 16).astype(np.float32)[order, None]
    labels = digits.target.astype(np.int64)[order]
    held_out = len(images) // 5
    return Split(images[held_out:], labels[held_out:]), Split(images[:held_out], labels[:held_out])
