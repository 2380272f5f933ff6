"""The smallest network that goes from the dynamic to the static graph by `to_static`."""

import paddle
from paddle import nn
from paddle.static import InputSpec


class SimpleCNN(nn.Layer):  # type: ignore[misc]  # paddle has no type stubs
    """One convolution, one pooling, one linear layer: from [N, 3, 32, 32] to [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 10, 3)
        self.pool = nn.MaxPool2D(2)
        self.fc = nn.Linear(10 * 15 * 15, 10)

    @paddle.jit.to_static(  # type: ignore[untyped-decorator]
        input_spec=[InputSpec([None, 3, 32, 32], "float32", "x")], full_graph=True
    )
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Traced into a static graph at the first call; the same code runs in both."""
        x = self.pool(nn.functional.relu(self.conv(x)))
        return self.fc(paddle.flatten(x, start_axis=1))
