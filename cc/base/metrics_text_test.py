"""The text of metrics is read by Prometheus's own parser as what it was."""

import os
import subprocess

from prometheus_client.parser import text_string_to_metric_families


def test_prometheus_reads_it() -> None:
    text = subprocess.run(
        [os.environ["RUN"], os.environ["METRICS_TEXT"]], check=True, capture_output=True, text=True
    ).stdout
    families = {family.name: family for family in text_string_to_metric_families(text)}
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
    assert values["0.5"] == 2
    assert values["10"] == 2
    assert values["+Inf"] == values["h_seconds_count"] == 3
    assert values["h_seconds_sum"] == 100.30005

    assert families["process_open_fds"].samples[0].value > 0
    assert families["process_cpu_seconds"].type == "counter"
