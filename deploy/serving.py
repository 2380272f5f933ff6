"""Prints a Deployment and a Service of the inference server, with the image that was built here.

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
@manifest.subdomain("--models", "models", help="PersistentVolumeClaim of models.")
def main(replicas: int, models: str | None, **options: Any) -> None:
    """Fills the template in; its help text is this file's."""
    volumes: dict[str, dict[str, Any]] = {"tmp": {"emptyDir": {}}, "logs": {"emptyDir": {}}}
    if models:
        volumes["models"] = {"persistentVolumeClaim": {"claimName": models, "readOnly": True}}
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in volumes]
    values = {
        "mounts": json.dumps(mounts),
        "replicas": str(replicas),
        "volumes": json.dumps([{"name": name} | kind for name, kind in volumes.items()]),
    }
    given = manifest.Given(**options)
    click.echo(given.printed("//deploy:serving", "inference|inference_gpu", values), nl=False)


if __name__ == "__main__":
    main()
