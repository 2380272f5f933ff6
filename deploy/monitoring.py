"""Prints what watches over the inference server: a ServiceMonitor, alert rules and a dashboard.

The Prometheus Operator takes the first two, Grafana's sidecar for dashboards the third, a
ConfigMap. For example:

\b
  ./bazelw run //deploy:monitoring -- --namespace team | kubectl apply -f -

Without the operator and the sidecar:

\b
  ./bazelw run //deploy:monitoring -- --rules > paddle_server.rules.yaml
  ./bazelw run //deploy:monitoring -- --dashboard > paddle_server.json
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import click
import yaml

from deploy import manifest
from deploy.dashboard import dashboard


@click.command(help=__doc__)
@manifest.naming(name="inference")
@click.option("--rules", "only", flag_value="rules", help="The alert rules alone, for a file.")
@click.option("--dashboard", "only", flag_value="dashboard", help="The dashboard alone, as JSON.")
def main(name: str, namespace: str | None, only: str | None) -> None:
    """Its help text is this file's."""
    if only == "rules":
        click.echo(yaml.safe_dump(rules(name), sort_keys=False), nl=False)
    elif only == "dashboard":
        click.echo(json.dumps(dashboard(), indent=2))
    else:
        for told in manifests(name, namespace):
            click.echo("---\n" + yaml.safe_dump(told, sort_keys=False), nl=False)


def rules(name: str) -> dict[str, Any]:
    """What Prometheus alerts of about the server of that name."""
    source = Path(__file__).with_name("alerts.yaml").read_text(encoding="utf-8")
    told: dict[str, Any] = yaml.safe_load(string.Template(source).substitute(name=name))
    return told


def manifests(name: str, namespace: str | None) -> list[dict[str, Any]]:
    """What the cluster is told of the server of that name."""

    def metadata(suffix: str = "", **labels: str) -> dict[str, Any]:
        return {
            "name": name + suffix,
            **({"namespace": namespace} if namespace else {}),
            "labels": manifest.labels(name) | labels,
        }

    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": metadata(),
            "spec": {
                "selector": {"matchLabels": manifest.labels(name)},
                "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s"}],
            },
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata(),
            "spec": rules(name),
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata("-dashboard", grafana_dashboard="1"),
            "data": {f"{name}.json": json.dumps(dashboard(), indent=2)},
        },
    ]


if __name__ == "__main__":
    main()
