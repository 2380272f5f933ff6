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
_REPOSITORY = "[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+"
_SECRET = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"


Values = str | tuple[str, ...] | None


def _as(pattern: str, example: str) -> Callable[[click.Context, click.Parameter, Values], Values]:
    """A check that a value, or each of them, is all of a pattern's."""

    def check(_context: click.Context, _option: click.Parameter, value: Values) -> Values:
        for word in (value,) if isinstance(value, str) else value or ():
            if not re.fullmatch(pattern, word):
                raise click.BadParameter(f"{word!r} is no such value as {example}.")
        return value

    return check


# An option before the program's name is one of ours: a mistyped one is refused here, not by the
# program in the cluster.
@click.command(help=__doc__, context_settings={"allow_interspersed_args": False})
@click.option("--template", type=click.Path(path_type=Path), hidden=True, required=True)
@click.option("--image", "images", multiple=True, hidden=True)
@click.option("--skopeo", type=click.Path(path_type=Path), hidden=True, required=True)
@click.option(
    "--registry",
    callback=_as(_REGISTRY, "registry.example.org:5000"),
    help="Host (and port) that the image was pushed to, as HOST/paddle/NAME.",
)
@click.option(
    "--repository",
    callback=_as(_REPOSITORY, "registry.example.org/team/train"),
    help="In place of --registry: a repository of your own, that of the push.",
)
@click.option(
    "--name",
    default="training",
    show_default=True,
    callback=_as(_NAME, "digits-2"),
    help="Of the Job.",
)
@click.option(
    "--namespace",
    callback=_as(_NAME, "training"),
    help="Of the Job.  [default: kubectl's]",
)
@click.option(
    "--pull-secret",
    "pull_secrets",
    multiple=True,
    callback=_as(_SECRET, "registry-login"),
    help="Secret with the registry's login, in that namespace; may be given again.",
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
@click.option("--offline", is_flag=True, help="Do not ask the registry for the image.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def main(
    template: Path,
    images: tuple[str, ...],
    skopeo: Path,
    registry: str | None,
    repository: str | None,
    name: str,
    namespace: str | None,
    pull_secrets: tuple[str, ...],
    queue: str,
    workers: int,
    gpus: int,
    processes: int | None,
    cpus: int,
    memory: str,
    offline: bool,
    words: tuple[str, ...],
) -> None:
    """Fills the template in; its help text is this file's."""
    image = "train_gpu" if gpus else "train_core"
    if image not in {known.partition("=")[0] for known in images}:
        target = "training_gpu" if gpus else "training"
        raise click.UsageError(
            f"--gpus {gpus} needs the image {image}, which this target does not build: run "
            f"`./bazelw run //deploy:{target} -- ...` with the same options."
        )
    if bool(registry) == bool(repository):
        raise click.UsageError("Give one of --registry HOST and --repository HOST/NAME.")
    repository = repository or f"{registry}/paddle/{image}"
    reference = manifest.reference(images, image, repository)
    if not offline:
        push = f"./bazelw run //images:{image}_push -- --repository {repository}"
        manifest.check_pushed(skopeo, reference, push)
    place = f"/checkpoints/{name}"
    command = ["train", *(words or ("digits",))]
    command += [f"--processes={processes or max(1, gpus)}", f"--out={place}/model"]
    command += [f"--checkpoint={place}/steps", f"--log={place}/log"]
    values = {
        "command": json.dumps(command),
        "cpus": str(cpus),
        "gpus": str(gpus),
        "image": reference,
        "memory": memory,
        "name": name,
        "namespace": namespace or "",
        "pull_secrets": json.dumps([{"name": secret} for secret in pull_secrets])
        if pull_secrets
        else "",
        "queue": queue,
        "workers": str(workers),
    }
    click.echo(manifest.filled(template, values), nl=False)


if __name__ == "__main__":
    main()
