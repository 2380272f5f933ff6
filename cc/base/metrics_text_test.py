"""The text of metrics is read by Prometheus's own parsers as what it was."""

import os
import subprocess
from collections.abc import Callable, Iterable

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

Parse = Callable[[str], Iterable[Metric]]


def printed(*options: str) -> str:
    return subprocess.run(
        [os.environ["RUN"], os.environ["METRICS_TEXT"], *options],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize(
    ("parse", "options"), [(parse_text, []), (parse_open_metrics, ["openmetrics"])]
)
def test_prometheus_reads_it(parse: Parse, options: list[str]) -> None:
    text = printed(*options)
    families = {family.name: family for family in parse(text)}
    assert text.count("# TYPE ") == len(families), "a family is told of twice"

    counter = families["c"]
    assert (counter.type, counter.documentation) == ("counter", "Line\nback\\slash.")
    assert [(s.labels, s.value) for s in counter.samples] == [({"l": 'a"b\\c\nd', "m": ""}, 3)]
    assert [s.value for s in families["g"].samples] == [2.5, float("inf")]
    assert families["read"].samples[0].value == 1e20

    histogram = families["h_seconds"]
    assert histogram.type == "histogram"
    values = {s.labels.get("le", s.name): s.value for s in histogram.samples}
    assert values["0.0001"] == 1
    assert values["0.5"] == 3
    assert values["10.0" if options else "10"] == 3
    assert values["+Inf"] == values["h_seconds_count"] == 4
    assert values["h_seconds_sum"] == pytest.approx(100.32005)

    assert families["process_open_fds"].samples[0].value > 0
    assert families["process_cpu_seconds"].type == "counter"


def test_an_example_tells_of_its_trace() -> None:
    families = {family.name: family for family in parse_open_metrics(printed("openmetrics"))}
    (found,) = (s.exemplar for s in families["h_seconds"].samples if s.exemplar)
    assert found.labels == {"trace_id": f"{1:016x}{2:016x}"}
    assert found.value == 0.02
    assert float(found.timestamp) > 1.6e9
