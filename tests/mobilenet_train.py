"""Exports MobileNetV2 as Paddle makes it, with random weights."""

from __future__ import annotations

import click
import numpy as np

from paddle_training import training


@training.program
@click.option(
    "--size", default=96, show_default=True, type=click.IntRange(32), help="Height and width."
)
def main(run: training.Run, size: int) -> None:
    """Exports; its help text is this file's."""
    import paddle

    from paddle_training import export

    net = paddle.vision.models.mobilenet_v2()
    net.eval()
    export.save(
        net,
        run.out,
        name="mobilenet",
        inputs=[paddle.static.InputSpec([None, 3, size, size], "float32", "x")],
        outputs=["logits"],
        metrics={},
        settings={"seed": run.seed},
    )
    if run.samples:
        images = np.random.RandomState(run.seed).standard_normal((2, 3, size, size))
        x = images.astype(np.float32)
        logits = net(paddle.to_tensor(x)).numpy()
        export.save_samples(run.samples, {"x": x}, {"logits": logits}, logits.argmax(axis=1))


if __name__ == "__main__":
    main()
