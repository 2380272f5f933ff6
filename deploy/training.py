"""Prints a Volcano Job that trains on several machines, with the image that was built here.

WORDS are the program and its options, as in `digits --epochs=200`, after all other options. For
example:

\b
  ./bazelw run //deploy:training -- --registry registry.example.org digits |
  kubectl apply -f -

With GPUs it is //deploy:training_gpu, which builds the image for them:

\b
  ./bazelw run //deploy:training_gpu -- --registry registry.example.org --gpus 8 digits |
  kubectl apply -f -
"""

from __future__ import annotations

import json
from typing import Any

import click

from deploy import manifest


# An option before the program's name is one of ours: a mistyped one is refused here, not by the
# program in the cluster.
@click.command(help=__doc__, context_settings={"allow_interspersed_args": False})
@manifest.options(name="training", memory="8Gi")
@manifest.subdomain(
    "--queue", "default", default="default", show_default=True, help="Volcano's queue."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Pods.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="In each pod.  [default: one for each GPU, or one]",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def main(
    queue: str, workers: int, processes: int | None, words: tuple[str, ...], **options: Any
) -> None:
    """Fills the template in; its help text is this file's."""
    given = manifest.Given(**options)
    place = f"/checkpoints/{given.name}"
    command = ["train", *(words or ("digits",))]
    command += [f"--processes={processes or max(1, given.gpus)}", f"--out={place}/model"]
    command += [f"--checkpoint={place}/steps", f"--log={place}/log"]
    values = {"command": json.dumps(command), "queue": queue, "workers": str(workers)}
    click.echo(given.printed("//deploy:training", "train_core|train_gpu", values), nl=False)


if __name__ == "__main__":
    main()
