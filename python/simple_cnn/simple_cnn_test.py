"""What the smallest dynamic-to-static model promises."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
from pathlib import Path

from paddle_training import runtime

runtime.start(0)
import paddle

from simple_cnn import network

MODEL = Path(os.environ["MODEL"])
METADATA = json.loads((MODEL / "metadata.json").read_text())

# As in digits_test.py.
DIGESTS = {
    "model.pdmodel": "sha256:4efb2fcf43500480a98adebbade5e93fb91d0e5cf88d9f4cb96459231d238659",
    "model.pdiparams": "sha256:fa514341911ff3b527c00d28b115e0c7fb49713b70aed481ad4d5818d39f861b",
}


def test_these_bits_everywhere() -> None:
    assert METADATA["digests"] == DIGESTS


def test_shapes_from_image_to_logits() -> None:
    net = network.SimpleCNN()
    x = paddle.zeros([1, 3, 32, 32])
    assert net.conv(x).shape == [1, 10, 30, 30]
    assert net.pool(net.conv(x)).shape == [1, 10, 15, 15]
    assert net.fc.weight.shape == [10 * 15 * 15, 10]
    assert net(x).shape == [1, 10]


def test_static_graph_has_the_same_shapes() -> None:
    assert METADATA["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 32, 32]}]
    assert METADATA["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]
    model = paddle.jit.load(str(MODEL / "model"))
    assert model(paddle.zeros([1, 3, 32, 32])).shape == [1, 10]
    assert model(paddle.zeros([5, 3, 32, 32])).shape == [5, 10]
