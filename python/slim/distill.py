"""Trains a smaller network on the labels and on what a trained one answers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from paddle_training import training
from slim import slimming


@training.program
@slimming.options
@training.hyperparameters(epochs=20, learning_rate=0.05)
@click.option(
    "--temperature",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Divides both networks' outputs before they are compared: higher tells more of the "
    "answers that the teacher finds unlikely.",
)
@click.option(
    "--weight",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Of the teacher's answers; that of the labels is 1. 0 trains without the teacher.",
)
def main(
    run: training.Run,
    task_name: str,
    float_model: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    temperature: float,
    weight: float,
) -> None:
    """Trains the student, exports it; its help text is this file's."""
    task = slimming.begin(task_name, float_model)
    if not task.student:
        raise click.UsageError(f"{task_name} has no smaller network", click.get_current_context())
    teacher = slimming.trained(task, float_model)
    import paddle

    with slimming.muted():
        from paddleslim.dygraph.dist import Distill

    for parameter in teacher.parameters():
        parameter.stop_gradient = True
    with paddle.utils.unique_name.guard("student_"):
        student = task.student()
    # Both are wrapped, so that their outputs are those of a layer with a name: "0".
    wrapped = [paddle.nn.Sequential(network) for network in (student, teacher)]
    compared = {
        "layers_name": ["0", "0"],
        "loss_function": "CELoss",
        "temperature": temperature,
        "weight": weight,
    }
    distill = Distill([{"layers": [compared]}], wrapped[:1], wrapped[1:], convert_fn=False)

    def loss(inputs: list[Any], targets: Any) -> Any:
        taught, outputs, _ = distill(*map(paddle.to_tensor, inputs))
        return task.loss(outputs, targets) + taught

    settings = slimming.fit(
        task,
        student,
        loss,
        run,
        epochs,
        batch_size,
        learning_rate,
        {
            "method": "distillation",
            "temperature": temperature,
            "weight": weight,
            "float_model": slimming.origin(float_model),
        },
    )
    with tempfile.TemporaryDirectory() as raw:
        paddle.jit.save(student, f"{raw}/model", input_spec=list(task.inputs))
        slimming.finish(task, Path(raw), float_model, run, f"{task_name}_distilled", settings)


if __name__ == "__main__":
    main()
