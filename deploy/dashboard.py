"""A Grafana dashboard of paddle_server's metrics, as the JSON that Grafana imports.

Schema: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_WIDTH = 24  # columns of Grafana's grid
_PANEL = {"w": 8, "h": 8}
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

_MODEL = 'job=~"$job",model=~"$model"'
_INFER = f'{_MODEL},endpoint=~"infer|ocr"'
_SERVER = 'job=~"$job"'


@dataclass(frozen=True)
class Panel:
    """One graph: queries in PromQL by the legend of their lines."""

    title: str
    unit: str  # of Grafana's units
    queries: dict[str, str]
    description: str = ""


def _rate(metric: str, labels: str) -> str:
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


# A Prometheus that takes native histograms has one series for each histogram, and none of
# NAME_bucket, NAME_sum and NAME_count; others have these alone.


def _quantile(of: float, metric: str, labels: str, by: str = "model") -> str:
    classic = f"sum by (le, {by}) ({_rate(metric + '_bucket', labels)})"
    native = f"sum by ({by}) ({_rate(metric, labels)})"
    return f"histogram_quantile({of}, {classic}) or histogram_quantile({of}, {native})"


def _mean(metric: str) -> str:
    total, count = (_rate(f"{metric}_{part}", _MODEL) for part in ("sum", "count"))
    native = f"sum by (model) ({_rate(metric, _MODEL)})"
    return (
        f"sum by (model) ({total}) / sum by (model) ({count})"
        f" or histogram_sum({native}) / histogram_count({native})"
    )


PANELS = [
    Panel(
        "Requests",
        "reqps",
        {
            "{{model}} {{protocol}}": "sum by (model, protocol) "
            f"({_rate('paddle_server_requests_total', _INFER)})"
        },
    ),
    Panel(
        "Answers by code",
        "reqps",
        {
            "{{protocol}} {{code}}": "sum by (protocol, code) "
            f"({_rate('paddle_server_requests_total', _INFER)})"
        },
        "HTTP's status codes and gRPC's. 503, 8 and 14: try again; 500, 2 and 13: ours.",
    ),
    Panel(
        "Latency",
        "s",
        {
            f"{{{{model}}}} p{of:g}": _quantile(
                of / 100, "paddle_server_request_duration_seconds", _INFER
            )
            for of in (50, 99)
        },
        "From the first byte of a request to its answer.",
    ),
    Panel(
        "Queue and compute, p99",
        "s",
        {
            f"{{{{model}}}} {part}": _quantile(
                0.99, f"paddle_server_{part}_duration_seconds", _MODEL
            )
            for part in ("queue", "compute")
        },
    ),
    Panel(
        "Pages",
        "short",
        {
            "{{outcome}} a second": "sum by (outcome) "
            f"({_rate('paddle_server_ocr_pages_total', _SERVER)})",
            "lines a second": f"sum ({_rate('paddle_server_ocr_lines_total', _SERVER)})",
        },
        "Pictures that were read, and those that were not.",
    ),
    Panel(
        "Stages of a page, p90",
        "s",
        {
            "{{stage}}": _quantile(
                0.9, "paddle_server_ocr_stage_duration_seconds", _SERVER, by="stage"
            )
        },
        "With the time that it waits for a model in it.",
    ),
    Panel(
        "Waiting requests",
        "short",
        {
            "{{model}}": f"sum by (model) (paddle_server_queue_depth{{{_MODEL}}})",
            "{{model}} computing": f"sum by (model) (paddle_server_running{{{_MODEL}}})",
        },
    ),
    Panel(
        "Turned away",
        "reqps",
        {
            "{{model}} {{reason}}": "sum by (model, reason) "
            f"({_rate('paddle_server_rejected_total', _MODEL)})"
        },
    ),
    Panel(
        "Rows a batch",
        "short",
        {
            "{{model}}": _mean("paddle_server_batch_rows"),
            "{{model}} requests": _mean("paddle_server_batch_requests"),
        },
    ),
    Panel(
        "Models that run",
        "short",
        {"{{model}} {{version}}": f"min by (model, version) (paddle_server_model_up{{{_MODEL}}})"},
        "0: the worker process of a model starts again.",
    ),
    Panel(
        "Workers that ended",
        "short",
        {
            "{{model}} {{version}}": "sum by (model, version) "
            f"(increase(paddle_server_worker_ends_total{{{_MODEL}}}[$__rate_interval]))"
        },
        "Crashes, and runs or memory beyond their limits.",
    ),
    Panel(
        "Memory",
        "bytes",
        {
            "{{instance}}": f"process_resident_memory_bytes{{{_SERVER}}}",
            "{{instance}} in flight": f"paddle_server_inflight_bytes{{{_SERVER}}}",
        },
    ),
    Panel(
        "Processor",
        "short",
        {"{{instance}}": _rate("process_cpu_seconds_total", _SERVER)},
        "Cores that the server's own process keeps busy.",
    ),
    Panel(
        "Requests in flight",
        "short",
        {"{{instance}} {{protocol}}": f"paddle_server_inflight_requests{{{_SERVER}}}"},
        "Of all kinds, those of Prometheus included.",
    ),
    Panel(
        "Connections",
        "short",
        {
            "{{instance}}": f"paddle_server_connections{{{_SERVER}}}",
            "{{instance}} turned away": "increase(paddle_server_connections_turned_away_total"
            f"{{{_SERVER}}}[$__rate_interval])",
        },
    ),
    Panel(
        "GPU utilisation",
        "percentunit",
        {"{{instance}} {{gpu}} {{name}}": f"paddle_server_gpu_utilization_ratio{{{_SERVER}}}"},
        "Share of time in which a GPU computed, for whomever.",
    ),
    Panel(
        "GPU memory",
        "bytes",
        {
            "{{instance}} {{gpu}}": f"paddle_server_gpu_memory_used_bytes{{{_SERVER}}}",
            "{{instance}} {{gpu}} has": f"paddle_server_gpu_memory_max_bytes{{{_SERVER}}}",
        },
    ),
    Panel(
        "GPU temperature",
        "celsius",
        {"{{instance}} {{gpu}}": f"paddle_server_gpu_temperature_celsius{{{_SERVER}}}"},
    ),
]


def _drawn(panel: Panel, number: int) -> dict[str, Any]:
    row, column = divmod(number * _PANEL["w"], _WIDTH)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "gridPos": {**_PANEL, "x": column, "y": row * _PANEL["h"]},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": _DATASOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for i, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _chosen(name: str, values: str) -> dict[str, Any]:
    """A choice on top of the dashboard, among a label's values."""
    return {
        "name": name,
        "type": "query",
        "datasource": _DATASOURCE,
        "query": {"query": values, "refId": name},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,  # when the time range changes
    }


def dashboard() -> dict[str, Any]:
    """The dashboard, without an id: Grafana gives it one."""
    return {
        "uid": "paddle-server",
        "title": "Paddle server",
        "tags": ["paddle"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _chosen("job", "label_values(paddle_server_info, job)"),
                _chosen("model", 'label_values(paddle_server_model_info{job=~"$job"}, model)'),
            ]
        },
        "panels": [_drawn(panel, number) for number, panel in enumerate(PANELS)],
    }
