"""Trains a trained network further while it computes as it will in int8, and quantises it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from paddle_training import training
from slim import slimming


@training.program
@slimming.options
@training.hyperparameters(epochs=3, learning_rate=0.005)
def main(
    run: training.Run,
    task_name: str,
    float_model: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> None:
    """Trains, quantises, exports; its help text is this file's."""
    task = slimming.begin(task_name, float_model)
    network = slimming.trained(task, float_model)
    import paddle

    with slimming.muted():
        from paddleslim.dygraph.quant import QAT

        qat = QAT({"onnx_format": True})  # weights are stored in int8
        qat.quantize(network)
    settings = slimming.fit(
        task,
        network,
        lambda inputs, targets: task.loss(network(*map(paddle.to_tensor, inputs)), targets),
        run,
        epochs,
        batch_size,
        learning_rate,
        {
            "method": "quantisation-aware training",
            "float_model": slimming.origin(float_model),
        },
    )
    with tempfile.TemporaryDirectory() as raw:
        with slimming.muted():
            qat.save_quantized_model(network, f"{raw}/model", input_spec=list(task.inputs))
        slimming.finish(task, Path(raw), float_model, run, f"{task_name}_qat", settings)


if __name__ == "__main__":
    main()
