"""Takes the least filters out of a trained network's convolutions, and trains what is left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from paddle_training import training
from slim import slimming


@training.program
@slimming.options
@training.hyperparameters(epochs=10, learning_rate=0.02)
@click.option(
    "--ratio",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of each convolution's filters to take out.",
)
def main(
    run: training.Run,
    task_name: str,
    float_model: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    ratio: float,
) -> None:
    """Prunes, trains, exports; its help text is this file's."""
    task = slimming.begin(task_name, float_model)
    network = slimming.trained(task, float_model)
    import paddle

    with slimming.muted():
        from paddleslim.dygraph import L1NormFilterPruner

        register_group_norm()
        pruner = L1NormFilterPruner(network, list(task.samples[0][:1].shape))
        convolutions = [
            layer.weight.name
            for layer in network.sublayers()
            if isinstance(layer, paddle.nn.Conv2D)
        ]
        pruner.prune_vars(dict.fromkeys(convolutions, ratio), axis=0)
    for layer in network.sublayers():
        if isinstance(layer, paddle.nn.GroupNorm):
            groups, channels = layer._num_groups, layer.weight.shape[0]
            if channels % groups:
                raise click.UsageError(
                    f"A GroupNorm of {groups} groups cannot hold {channels} channels, which "
                    f"--ratio {ratio} leaves of {layer._num_channels}: take another ratio, such as "
                    "0.25, 0.5 or 0.75.",
                    click.get_current_context(),
                )
    settings = slimming.fit(
        task,
        network,
        lambda inputs, targets: task.loss(network(*map(paddle.to_tensor, inputs)), targets),
        run,
        epochs,
        batch_size,
        learning_rate,
        {
            "method": "pruning by L1 norm",
            "ratio": ratio,
            "float_model": slimming.origin(float_model),
        },
    )
    with tempfile.TemporaryDirectory() as raw:
        paddle.jit.save(network, f"{raw}/model", input_spec=list(task.inputs))
        slimming.finish(task, Path(raw), float_model, run, f"{task_name}_pruned", settings)


def register_group_norm() -> None:
    """Tells PaddleSlim how to go through a group normalisation, which it does not know.

    As through a batch normalisation: a channel that goes takes its scale and shift along. The
    number of groups stays, and must divide the number of channels that are left.
    """
    from paddleslim.core import Registry
    from paddleslim.prune.prune_worker import PRUNE_WORKER, PruneWorker

    assert isinstance(PRUNE_WORKER, Registry)

    class group_norm(PruneWorker):  # type: ignore[misc]  # noqa: N801  # registered by this name
        """Finds what else goes with a channel of a group normalisation's input or output."""

        def _prune(self, var: Any, pruned_axis: int, transforms: list[Any]) -> None:
            ends = self.op.inputs("X")[0], self.op.outputs("Y")[0]
            if var not in ends:
                return
            for end in ends:
                if end != var:
                    self._visit_and_search(end, pruned_axis, transforms)
            for parameter in ("Scale", "Bias"):
                for variable in self.op.inputs(parameter):
                    self._visit_and_search(variable, 0, transforms)
                    self.append_pruned_vars(variable, 0, transforms)

    PRUNE_WORKER.register(group_norm)


if __name__ == "__main__":
    main()
