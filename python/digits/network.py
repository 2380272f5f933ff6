"""A small convolutional network for 8x8 grey images: 19,000 parameters."""

import paddle
from paddle import nn

CLASSES = 10


class Digits(nn.Layer):  # type: ignore[misc]  # paddle has no type stubs
    """Three convolutions, each with GroupNorm: BatchNorm trains to other bits on other CPUs."""

    def __init__(self, width: int = 16) -> None:
        """`width`, a multiple of 4: channels of the first convolution, half of the others'."""
        super().__init__()
        self.layers = nn.Sequential(
            *self._block(1, width),
            *self._block(width, 2 * width, stride=2),
            *self._block(2 * width, 2 * width),
            nn.Flatten(),
            nn.Linear(2 * width * 4 * 4, CLASSES),
        )

    @staticmethod
    def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Layer]:
        return [
            nn.Conv2D(inputs, outputs, 3, stride=stride, padding=1),
            nn.GroupNorm(4, outputs),
            nn.ReLU(),
        ]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """From [N, 1, 8, 8], ink from 0 to 1, to [N, 10]: one logit for each digit."""
        return self.layers(x)
