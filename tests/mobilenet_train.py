"""Exports MobileNetV2 as Paddle makes it, with random weights."""

from __future__ import annotations

import numpy as np

from paddle_images import training

SIZE = 96  # pixels, height and width


@training.program
def main(run: training.Run) -> None:
    """Exports; its help text is this file's."""
    import paddle

    from paddle_images import export

    net = paddle.vision.models.mobilenet_v2()
    net.eval()
    export.save(
        net,
        run.out,
        name="mobilenet",
        inputs=[paddle.static.InputSpec([None, 3, SIZE, SIZE], "float32", "x")],
        outputs=["logits"],
        metrics={},
        settings={"seed": run.seed},
    )
    if run.samples:
        images = np.random.RandomState(run.seed).standard_normal((2, 3, SIZE, SIZE))
        x = images.astype(np.float32)
        logits = net(paddle.to_tensor(x)).numpy()
        export.save_samples(run.samples, {"x": x}, {"logits": logits}, logits.argmax(axis=1))


if __name__ == "__main__":
    main()
