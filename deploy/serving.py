"""Prints what runs the inference server in a cluster, with the image that was built here.

A Deployment and its Service, a budget for disruptions, and a policy that lets nothing out. With
--max-replicas there are as many pods as the requests that wait ask for: that needs Prometheus'
adapter for custom metrics (docs/server.md).

It serves the models that are in the image, or with --models those of a claim, a folder
NAME/VERSION/{model.pdmodel,model.pdiparams} each. For example:

\b
  ./bazelw run //deploy:serving -- --registry registry.example.org --models models |
  kubectl apply -f -

With GPUs it is //deploy:serving_gpu, which builds the image for them:

\b
  ./bazelw run //deploy:serving_gpu -- --registry registry.example.org --gpus 1 |
  kubectl apply -f -
"""

from __future__ import annotations

import json
from typing import Any

import click

from deploy import manifest


@click.command(help=__doc__)
@manifest.options(name="inference", memory="2Gi")
@click.option("--replicas", default=2, show_default=True, type=click.IntRange(0), help="Pods.")
@click.option(
    "--max-replicas",
    type=click.IntRange(1),
    help="Scales from --replicas (1 at least) to so many pods.",
)
@click.option(
    "--queue-depth",
    default=4,
    show_default=True,
    type=click.IntRange(1),
    help="With --max-replicas: requests that wait, of a pod, beyond which there are more.",
)
@manifest.subdomain("--models", "models", help="PersistentVolumeClaim of models.")
def main(
    replicas: int, max_replicas: int | None, queue_depth: int, models: str | None, **options: Any
) -> None:
    """Fills the template in; its help text is this file's."""
    given = manifest.Given(**options)
    filled_in = values(replicas, models, max_replicas, queue_depth)
    click.echo(given.printed("//deploy:serving", "inference|inference_gpu", filled_in), nl=False)


def values(
    replicas: int, models: str | None, max_replicas: int | None = None, queue_depth: int = 4
) -> dict[str, str]:
    """What the template has of these options."""
    least = max(replicas, 1)
    if max_replicas is not None and max_replicas < least:
        raise click.UsageError(f"--max-replicas {max_replicas} is less than --replicas {least}.")
    volumes: dict[str, dict[str, Any]] = {"tmp": {"emptyDir": {}}, "logs": {"emptyDir": {}}}
    if models:
        volumes["models"] = {"persistentVolumeClaim": {"claimName": models, "readOnly": True}}
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in volumes]
    return {
        "max_replicas": str(max_replicas or ""),
        "min_replicas": str(least),
        "mounts": json.dumps(mounts),
        "queue_depth": str(queue_depth),
        # Whoever scales says how many there are: applied again, it would take them back.
        "replicas": "" if max_replicas else str(replicas),
        "volumes": json.dumps([{"name": name} | kind for name, kind in volumes.items()]),
    }


if __name__ == "__main__":
    main()
