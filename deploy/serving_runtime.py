"""Prints what lets KServe serve Paddle models with the inference server that was built here.

A ServingRuntime of a namespace, or with --cluster a ClusterServingRuntime of all, the image by its
digest. An InferenceService finds it whose modelFormat is paddle and whose protocolVersion is v2 or
grpc-v2 (docs/server.md has one). For example:

\b
  ./bazelw run //deploy:serving_runtime -- --registry registry.example.org --cluster |
  kubectl apply -f -

Knative takes one port of a pod, so that there it is one of the two:

\b
  ./bazelw run //deploy:serving_runtime -- --registry registry.example.org --protocol v2 |
  kubectl apply -f -

With GPUs it is //deploy:serving_runtime_gpu, which builds the image for them.
"""

from __future__ import annotations

import json
from typing import Any

import click

from deploy import manifest

# By their names in KServe: the port's number, and its name, which Knative and Istio go by.
_PORTS = {"v2": ("http1", 8080), "grpc-v2": ("h2c", 8081)}


def _probe(protocols: tuple[str, ...], path: str, period: int) -> str:
    """By a port that is published: Knative asks no other."""
    if "v2" in protocols:
        how = {"httpGet": {"path": path, "port": _PORTS["v2"][1]}}
    else:
        how = {"grpc": {"port": _PORTS["grpc-v2"][1]}}
    return json.dumps({**how, "periodSeconds": period})


@click.command(help=__doc__)
@manifest.options(name="paddle-inference", memory="2Gi")
@click.option("--cluster", is_flag=True, help="For all namespaces: a ClusterServingRuntime.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=tuple(_PORTS),
    show_default=True,
    type=click.Choice(tuple(_PORTS)),
    help="Served, and its port published; may be given again.",
)
@click.option(
    "--priority",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="Above that of other runtimes of Paddle models; KServe's own has 1.",
)
def main(cluster: bool, protocols: tuple[str, ...], priority: int, **options: Any) -> None:
    """Fills the template in; its help text is this file's."""
    if cluster and options["namespace"]:
        raise click.UsageError("--cluster is for all namespaces: leave --namespace out.")
    protocols = tuple(name for name in _PORTS if name in protocols)
    ports = [
        {"name": name, "containerPort": port, "protocol": "TCP"}
        for name, port in (_PORTS[protocol] for protocol in protocols)
    ]
    values = {
        "kind": "ClusterServingRuntime" if cluster else "ServingRuntime",
        # A pod is live that answers at all; by gRPC that is asked no other way than readiness.
        "liveness": _probe(protocols, "/v2/health/live", 10) if "v2" in protocols else "",
        "ports": json.dumps(ports),
        "priority": str(priority),
        "protocols": json.dumps(protocols),
        "readiness": _probe(protocols, "/v2/health/ready", 2),
    }
    given = manifest.Given(**options)
    click.echo(
        given.printed("//deploy:serving_runtime", "inference|inference_gpu", values), nl=False
    )


if __name__ == "__main__":
    main()
