"""A convolutional text-line recogniser for CTC: about 170,000 parameters for 416 characters."""

import paddle
from paddle import nn


class Recogniser(nn.Layer):  # type: ignore[misc]  # paddle has no type stubs
    """Five convolutions that fold the height away, each with GroupNorm, then one linear layer.

    A frame sees 35 pixels, a little more than one character. BatchNorm would train to other bits on
    other CPUs.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *self._block(1, 16, stride=(2, 2)),
            *self._block(16, 32, stride=(2, 2)),
            *self._block(32, 64, stride=(2, 1)),
            *self._block(64, 96, stride=(2, 1)),
            *self._block(96, 96, stride=1, kernel=(2, 3), padding=(0, 1)),
        )
        self.classify = nn.Linear(96, classes)

    @staticmethod
    def _block(
        inputs: int,
        outputs: int,
        stride: int | tuple[int, int],
        kernel: int | tuple[int, int] = 3,
        padding: int | tuple[int, int] = 1,
    ) -> list[nn.Layer]:
        return [
            nn.Conv2D(inputs, outputs, kernel, stride=stride, padding=padding),
            nn.GroupNorm(8, outputs),
            nn.ReLU(),
        ]

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """From [N, 1, 32, W], black -1 to white 1, to logits [N, ceil(W / 4), classes]."""
        columns = paddle.squeeze(self.features(image), axis=2)
        return self.classify(paddle.transpose(columns, [0, 2, 1]))
