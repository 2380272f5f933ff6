"""Prints a Volcano Job that trains on several machines, with the image that was built here.

WORDS are the program and its options, as in `digits --epochs=200`, after all other options. For
example:

  ./bazelw run //deploy:training -- --registry registry.example.org --gpus 8 digits |
  kubectl apply -f -
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import click

from deploy import manifest

# What Kubernetes takes, and what makes no other YAML of the template than is meant.
_NAME = "[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?"
_QUEUE = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_MEMORY = "[0-9]+(Mi|Gi|Ti|M|G|T)"
_REGISTRY = "[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*"


def _as(pattern: str, example: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """A check that a value is all of a pattern's."""

    def check(_context: click.Context, _option: click.Parameter, value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise click.BadParameter(f"{value!r} is no such value as {example}.")
        return value

    return check


# An option before the program's name is one of ours: a mistyped one is refused here, not by the
# program in the cluster.
@click.command(help=__doc__, context_settings={"allow_interspersed_args": False})
@click.option("--template", type=click.Path(path_type=Path), hidden=True, required=True)
@click.option("--image", "images", multiple=True, hidden=True)
@click.option(
    "--registry",
    required=True,
    callback=_as(_REGISTRY, "registry.example.org:5000"),
    help="Host (and port) that the images were pushed to.",
)
@click.option(
    "--name",
    default="training",
    show_default=True,
    callback=_as(_NAME, "digits-2"),
    help="Of the Job.",
)
@click.option(
    "--queue",
    default="default",
    show_default=True,
    callback=_as(_QUEUE, "default"),
    help="Volcano's queue.",
)
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1), help="Machines (pods)."
)
@click.option(
    "--gpus",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="GPUs of each machine; 0 trains on CPUs.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="On each machine.  [default: one for each GPU, or one]",
)
@click.option("--cpus", default=4, show_default=True, type=click.IntRange(1), help="Of a machine.")
@click.option(
    "--memory",
    default="8Gi",
    show_default=True,
    callback=_as(_MEMORY, "8Gi"),
    help="Of a machine.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def main(
    template: Path,
    images: tuple[str, ...],
    registry: str,
    name: str,
    queue: str,
    workers: int,
    gpus: int,
    processes: int | None,
    cpus: int,
    memory: str,
    words: tuple[str, ...],
) -> None:
    """Fills the template in; its help text is this file's."""
    place = f"/checkpoints/{name}"
    command = ["train", *(words or ("digits",))]
    command += [f"--processes={processes or max(1, gpus)}", f"--out={place}/model"]
    command += [f"--checkpoint={place}/steps", f"--log={place}/log"]
    values = {
        "command": json.dumps(command),
        "cpus": str(cpus),
        "gpus": str(gpus),
        "image": manifest.reference(images, "train_gpu" if gpus else "train_core", registry),
        "memory": memory,
        "name": name,
        "queue": queue,
        "workers": str(workers),
    }
    click.echo(manifest.filled(template, values), nl=False)


if __name__ == "__main__":
    main()
