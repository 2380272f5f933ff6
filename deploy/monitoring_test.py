"""Dashboard and alerts speak of metrics that a server really has, as Prometheus reads them."""

import contextlib
import http.server
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.models.v1_config_map import V1ConfigMap
from kubernetes.client.models.v1_object_meta import V1ObjectMeta

from cc.server import pictures
from cc.server.serving import Server, serving, until
from deploy import schemas
from deploy.dashboard import PANELS

MONITORING, PROMETHEUS, PROMTOOL = (
    str(Path(os.environ[name]).absolute()) for name in ("MONITORING", "PROMETHEUS", "PROMTOOL")
)


def printed(*options: str) -> str:
    return subprocess.run(
        [MONITORING, *options], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def promtool(*arguments: str, stdin: str = "") -> None:
    done = subprocess.run(
        [PROMTOOL, *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


QUERIES = {
    f"{panel.title}: {legend}": query for panel in PANELS for legend, query in panel.queries.items()
}


class Prometheus:
    """One that scrapes each second."""

    def __init__(self, directory: Path, targets: list[str], *features: str) -> None:
        rules = directory / "paddle_server.rules.yaml"
        rules.write_text(printed("--rules"))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "inference", "static_configs": [{"targets": targets}]}],
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
        promtool("check", "config", str(directory / "prometheus.yaml"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={directory}/prometheus.yaml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--enable-feature={','.join(('exemplar-storage', *features))}",
            ]
        )
        until(self.ready, "Prometheus is ready")

    def ready(self) -> bool:
        assert self.process.poll() is None, "it has ended: its output says why"
        with contextlib.suppress(OSError):
            return bool(self.get("/-/ready"))
        return False

    def get(self, path: str, **query: str) -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def result(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get("/api/v1/query", query=query))["data"][
            "result"
        ]
        return found

    def traces(self, query: str) -> set[str]:
        """Those that are examples of the series."""
        span = {"start": "0", "end": str(time.time() + 60)}
        told = json.loads(self.get("/api/v1/query_exemplars", query=query, **span))["data"]
        return {example["labels"]["trace_id"] for one in told for example in one["exemplars"]}

    def number(self, query: str) -> float:
        """The value of one series, once there is one."""
        (found,) = until(lambda: self.result(query), f"there is something of {query}")
        return float(found["value"][1])


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The HOST:PORT of what answers so to whoever asks."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture(scope="module", name="server")
def a_server_with_work_and_a_crash_behind_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("models")
    shutil.copytree(os.environ["DIGITS"], repository / "digits" / "1")
    with (
        answering(b"{}") as collector,
        serving(
            f"--model_repository={repository}", f"--otlp_endpoint=http://{collector}"
        ) as server,
    ):
        yield server


@pytest.fixture(scope="module", name="reader")
def a_server_that_reads_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pictures.reader(tmp_path_factory.mktemp("ocr")) as reader:
        yield reader


def read(reader: Server) -> bool:
    return pictures.post(reader, Path(os.environ["PAGE"]).read_bytes())[0] == 200


@pytest.fixture(scope="module", name="gpus")
def what_a_server_of_gpus_tells_of_them() -> Iterator[str]:
    """Beside the server, whose engine is built for none."""
    text = subprocess.run(
        [os.environ["RUN"], os.environ["GPU_METRICS"]], check=True, stdout=subprocess.PIPE
    ).stdout
    with answering(text) as address:
        yield address


@pytest.fixture(scope="module", name="prometheus")
def one_that_has_seen_it(
    server: Server, reader: Server, gpus: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    targets = [server.url, reader.url, gpus]
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
    try:
        scraped = f'count(up{{job="inference"}} == 1) == {len(targets)}'
        until(lambda: prometheus.result(scraped), "the servers are scraped")
        ask(server)
        assert read(reader)
        (worker,) = server.workers
        os.kill(worker, signal.SIGKILL)
        ends = 'paddle_server_worker_ends_total{model="digits"} == 1'
        until(lambda: prometheus.result(ends), "the worker's end is scraped")
        until(lambda: ask(server) == 200, "it answers again")
        yield prometheus
    finally:
        prometheus.process.kill()
        prometheus.process.wait()


def ask(server: Server, **headers: str) -> int:
    model = json.loads(server.call("GET", "/v2/models/digits")[2])
    inputs = [
        {
            "name": told["name"],
            "datatype": told["datatype"],
            "shape": [max(size, 1) for size in told["shape"]],
            "data": [0.0] * math.prod(max(size, 1) for size in told["shape"]),
        }
        for told in model["inputs"]
    ]
    body = json.dumps({"inputs": inputs})
    return server.call("POST", "/v2/models/digits/infer", body, **headers)[0]


def test_prometheus_finds_nothing_to_mend_in_the_metrics(server: Server, gpus: str) -> None:
    text = server.call("GET", "/metrics")[2].decode()
    assert "_gpu_" not in text, "of a server that uses none"
    with urllib.request.urlopen(f"http://{gpus}/metrics", timeout=30) as answer:
        text += answer.read().decode()
    promtool("check", "metrics", stdin=text)


def test_the_rules_hold_to_prometheus_and_do_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(printed("--rules"))
    promtool("check", "rules", str(tmp_path / "alerts.yaml"))
    shutil.copy(os.environ["ALERTS_TEST"], tmp_path / "alerts_test.yaml")
    promtool("test", "rules", str(tmp_path / "alerts_test.yaml"))


def test_every_alert_has_a_test() -> None:
    (group,) = yaml.safe_load(printed("--rules"))["groups"]
    tested = Path(os.environ["ALERTS_TEST"]).read_text()
    for rule in group["rules"]:
        assert rule["alert"] in tested
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize("title", QUERIES)
def test_a_graph_has_lines(prometheus: Prometheus, title: str) -> None:
    query = QUERIES[title].replace("$__rate_interval", "1m")
    query = query.replace("$job", "inference").replace("$model", ".*")
    assert "$" not in query
    until(lambda: prometheus.result(query), f"there is something of {query}")


@pytest.fixture(scope="module", name="native")
def one_that_takes_native_histograms(
    server: Server,
    reader: Server,
    prometheus: Prometheus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Prometheus]:
    assert prometheus.result("up")  # the crash is behind the server
    targets = [server.url, reader.url]
    native = Prometheus(tmp_path_factory.mktemp("native"), targets, "native-histograms")
    try:
        yield native
    finally:
        native.process.kill()
        native.process.wait()


def test_native_histograms_tell_what_classic_ones_do(
    server: Server, prometheus: Prometheus, native: Prometheus
) -> None:
    labels = '{protocol="http",endpoint="infer",model="digits"}'
    name = "paddle_server_request_duration_seconds"
    for _ in range(200):
        assert ask(server) == 200
    count = server.metric(
        f'{name}_count{{protocol="http",endpoint="infer",model="digits",version="1"}}'
    )
    until(lambda: prometheus.number(f"{name}_count{labels}") == count)
    until(lambda: native.number(f"histogram_count({name}{labels})") == count)
    assert native.result(f"{name}_bucket") == []
    total = prometheus.number(f"{name}_sum{labels}")
    assert native.number(f"histogram_sum({name}{labels})") == pytest.approx(total)

    buckets = sorted(
        (float(one["metric"]["le"]), float(one["value"][1]))
        for one in prometheus.result(f"{name}_bucket{labels}")
    )
    step = 2 ** (1 / 8)  # a native bucket's upper bound by its lower one
    for share in (0.1, 0.5, 0.9, 0.99):
        above = next(i for i, (_, number) in enumerate(buckets) if number >= share * count)
        lower = buckets[above - 1][0] if above > 0 else 0
        found = native.number(f"histogram_quantile({share}, {name}{labels})")
        assert lower / step <= found <= buckets[above][0] * step

    # Of one value only: exact but for its bucket.
    rows = 'histogram_quantile(0.5, paddle_server_batch_rows{model="digits"})'
    assert 1 / step <= native.number(rows) <= 1


@pytest.mark.parametrize("title", [title for title, query in QUERIES.items() if " or " in query])
def test_a_graph_of_native_histograms_has_lines(
    server: Server, reader: Server, native: Prometheus, title: str
) -> None:
    query = QUERIES[title].replace("$__rate_interval", "1m")
    query = query.replace("$job", "inference").replace("$model", ".*")

    def found() -> list[dict[str, Any]]:
        assert read(reader) if "paddle_server_ocr" in query else ask(server) == 200
        return native.result(query)

    until(found, f"there is something of {query}")


def test_a_duration_leads_to_its_trace(
    server: Server, prometheus: Prometheus, native: Prometheus
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    name = "paddle_server_request_duration_seconds"

    def found() -> bool:
        assert ask(server, traceparent=f"00-{trace}-00f067aa0ba902b7-01") == 200
        return trace in prometheus.traces(f'{name}_bucket{{endpoint="infer"}}')

    until(found, "OpenMetrics has it")
    # Before 2.46 it keeps of a native histogram only the exemplar of the lowest bucket, which is
    # any trace's: https://github.com/prometheus/prometheus/issues/12553
    (lowest, *_) = until(lambda: native.traces(f'{name}{{endpoint="infer"}}'), "there is one")
    assert re.fullmatch("[0-9a-f]{32}", lowest)


def test_alerts_ask_for_metrics_that_there_are(prometheus: Prometheus, native: Prometheus) -> None:
    known = {
        name
        for one in (prometheus, native)
        for name in json.loads(one.get("/api/v1/label/__name__/values"))["data"]
    }
    (group,) = yaml.safe_load(printed("--rules"))["groups"]
    for rule in group["rules"]:
        names = set(re.findall(r"\bpaddle_server_\w+|\bup\b", rule["expr"]))
        assert names, rule
        assert names <= known, rule


def test_no_alert_of_a_server_that_is_well(prometheus: Prometheus) -> None:
    rules = json.loads(prometheus.get("/api/v1/rules"))["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} == {"ok"}
    assert prometheus.result('ALERTS{alertstate="firing"}') == []


def test_the_operator_and_the_cluster_know_every_field() -> None:
    custom = yaml.safe_load(Path(os.environ["SCHEMA"]).read_text())
    kinds = {
        kind: schemas.of_custom_resource(schema, V1ObjectMeta) for kind, schema in custom.items()
    } | {"ConfigMap": schemas.of(V1ConfigMap)}
    for options in ((), ("--name=ocr", "--namespace=team")):
        told = {one["kind"]: one for one in yaml.safe_load_all(printed(*options))}
        assert told.keys() == kinds.keys()
        for kind, document in told.items():
            assert schemas.mistakes(document, kinds[kind]) == []
            wrong = {**document, "specs": {}}
            assert schemas.mistakes(wrong, kinds[kind]) != []
    assert {one["metadata"].get("namespace") for one in told.values()} == {"team"}
    assert (
        told["ServiceMonitor"]["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "ocr"
    )
    assert 'job="ocr"' in json.dumps(told["PrometheusRule"]).replace('\\"', '"')
    (drawn,) = told["ConfigMap"]["data"].values()
    assert json.loads(drawn) == json.loads(printed("--dashboard"))


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(printed("--dashboard"))["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells
