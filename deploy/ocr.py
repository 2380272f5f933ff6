"""Writes the OCR service for a cluster: a folder for kustomize, with the image that was built here.

\b
  base/               Deployment, Service, what watches over them, their address outside
  overlays/cpu/       with the image //images:ocr, by its digest
  overlays/gpu/       with //images:ocr_gpu, written by //deploy:ocr_gpu
  overlays/arm64/     with the one for arm64, written by //deploy:ocr_arm64

For example:

\b
  ./bazelw run //deploy:ocr -- --registry registry.example.org --host ocr.example.org
  kubectl apply -k ocr/overlays/cpu

--gateway names the Gateway that leads to the service by an HTTPRoute; without it an Ingress does.
Models are in the image; with --models those of a claim take their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from bazel.image.base.processes import user_path
from deploy import manifest, monitoring, serving

# By the image that a target has: the overlay, and what of images is pushed as what.
_OVERLAYS = {
    "ocr": ("cpu", "ocr", "ocr_push"),
    "ocr_arm64": ("arm64", "ocr", "ocr_index_push"),
    "ocr_gpu": ("gpu", "ocr_gpu", "ocr_gpu_push"),
}

# What the base calls the image; each overlay says which one that is.
_IMAGE = "ocr"

_PATHS = ("/ocr", "/v1/ocr", "/v2")

# As nginx.conf has it for //deploy:local: to read a picture twice changes nothing.
_INGRESS = {
    "nginx.ingress.kubernetes.io/proxy-body-size": "64m",
    "nginx.ingress.kubernetes.io/proxy-next-upstream": (
        "error timeout http_502 http_503 non_idempotent"
    ),
}

Json = dict[str, Any]


@click.command(help=__doc__)
@manifest.options(name="ocr", memory="4Gi")
@click.option("--replicas", default=2, show_default=True, type=click.IntRange(0), help="Pods.")
@manifest.subdomain("--host", "ocr.example.org", help="Name at which it is asked from outside.")
@manifest.subdomain("--gateway", "gateway", help="Gateway that leads to it.  [default: an Ingress]")
@manifest.subdomain("--ingress-class", "nginx", help="Of the Ingress.  [default: the cluster's]")
@manifest.subdomain("--models", "models", help="PersistentVolumeClaim of models, made with it.")
@click.option(
    "--out",
    default="ocr",
    show_default=True,
    type=click.Path(path_type=Path),
    callback=lambda _context, _option, value: user_path(value),
    help="Folder; what is there of these files is written anew.",
)
def main(
    replicas: int,
    host: str | None,
    gateway: str | None,
    ingress_class: str | None,
    models: str | None,
    out: Path,
    **options: Any,
) -> None:
    """Writes it; its help text is this file's."""
    given = manifest.Given(**options)
    (image,) = (known.partition("=")[0] for known in given.images)
    overlay, pushed_as, push = _OVERLAYS[image]
    if given.gpus and overlay != "gpu":
        raise click.UsageError(
            "--gpus is for the image with GPUs: `./bazelw run //deploy:ocr_gpu`."
        )
    if gateway and not host:
        raise click.UsageError("--gateway needs --host, by which the Gateway knows whom is asked.")
    named = given.named(image, pushed_as, f"//images:{push}")
    front = []
    if gateway:
        front = [_route(given, str(host), gateway)]
    elif host:
        front = [_ingress(given, host, ingress_class)]
    base = {
        "serving.yaml": given.filled(_IMAGE, serving.values(replicas, models)),
        "monitoring.yaml": _yaml(*monitoring.manifests(given.name, given.namespace)),
    }
    if front:
        base["front.yaml"] = _yaml(*front)
    if models:
        base["models.yaml"] = _yaml(_claim(given, models))
    folder = out / "base"
    for option in ("front.yaml", "models.yaml"):  # of an earlier run
        (folder / option).unlink(missing_ok=True)
    _write(folder / "kustomization.yaml", _yaml(_kustomization(resources=list(base))))
    for name, text in base.items():
        _write(folder / name, text)
    _write(
        out / "overlays" / overlay / "kustomization.yaml",
        _yaml(_overlay(given, overlay, named)),
    )
    click.echo(f"wrote {out}; next: kubectl apply -k {out}/overlays/{overlay}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as such, for people to read."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _yaml(*documents: Json) -> str:
    told: str = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False)
    return told


def _kustomization(**fields: Any) -> Json:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **fields,
    }


def _overlay(given: manifest.Given, overlay: str, named: str) -> Json:
    repository, _, digest = named.partition("@")
    spec: Json = {
        "nodeSelector": {"kubernetes.io/arch": "arm64" if overlay == "arm64" else "amd64"}
    }
    if overlay == "gpu":
        limits = {"limits": {"nvidia.com/gpu": str(given.gpus or 1)}}
        spec["containers"] = [{"name": "server", "resources": limits}]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": given.name},
        "spec": {"template": {"spec": spec}},
    }
    return _kustomization(
        resources=["../../base"],
        images=[{"name": _IMAGE, "newName": repository, "digest": digest}],
        patches=[{"patch": _yaml(deployment), "target": {"kind": "Deployment"}}],
    )


def _metadata(given: manifest.Given, name: str, **more: Json) -> Json:
    return {
        "name": name,
        **({"namespace": given.namespace} if given.namespace else {}),
        "labels": manifest.labels(given.name),
        **more,
    }


def _route(given: manifest.Given, host: str, gateway: str) -> Json:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(given, given.name),
        "spec": {
            "parentRefs": [{"name": gateway}],
            "hostnames": [host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": path}} for path in _PATHS],
                    "backendRefs": [{"name": given.name, "port": 80}],
                    "timeouts": {"request": "60s"},
                }
            ],
        },
    }


def _ingress(given: manifest.Given, host: str, ingress_class: str | None) -> Json:
    service = {"service": {"name": given.name, "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": service} for path in _PATHS]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _metadata(given, given.name, annotations=_INGRESS),
        "spec": {
            **({"ingressClassName": ingress_class} if ingress_class else {}),
            "rules": [{"host": host, "http": {"paths": paths}}],
        },
    }


def _claim(given: manifest.Given, models: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(given, models),
        "spec": {
            # Of all pods, on whatever node, and of whoever puts models there.
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "5Gi"}},
        },
    }


if __name__ == "__main__":
    main()
