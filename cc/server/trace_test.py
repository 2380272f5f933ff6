"""What a collector of OpenTelemetry gets of a server, and what one that does not take it costs."""

import base64
import contextlib
import http.server
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cc.server.repository import ROWS, Repository, data, infer, request
from cc.server.serving import Server, run, serving, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SENT, DROPPED = (f"paddle_server_trace_spans_{what}_total" for what in ("sent", "dropped"))


def _check_by_proto(told: dict[str, Any]) -> None:
    """By the messages of OTLP. Its JSON differs from theirs in ids: hex, not base64."""
    copy = deepcopy(told)
    for resource_spans in copy["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    json_format.ParseDict(copy, ExportTraceServiceRequest())


def _attributes(told: list[dict[str, Any]]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for attribute in told:
        assert attribute.keys() == {"key", "value"}
        ((kind, value),) = attribute["value"].items()
        assert isinstance(value, str)
        assert attribute["key"] not in found
        assert kind in ("stringValue", "intValue")
        found[attribute["key"]] = int(value) if kind == "intValue" else value
    return found


class Span:
    """One span, read as strictly as OTLP's JSON is written."""

    def __init__(self, told: dict[str, Any]) -> None:
        assert re.fullmatch("[0-9a-f]{32}", told["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", told["spanId"])
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            assert re.fullmatch("[0-9]{19}", told[name])
        self.trace: str = told["traceId"]
        self.id: str = told["spanId"]
        self.parent: str = told.get("parentSpanId", "")
        assert re.fullmatch("([0-9a-f]{16})?", self.parent)
        self.state: str = told.get("traceState", "")
        self.flags: int = told["flags"]
        self.name: str = told["name"]
        self.kind: int = told["kind"]
        self.start, self.end = int(told["startTimeUnixNano"]), int(told["endTimeUnixNano"])
        assert self.start <= self.end
        assert abs(self.end / 1e9 - time.time()) < 3600
        self.attributes = _attributes(told["attributes"])
        self.status: dict[str, Any] = told.get("status", {})
        assert self.status.get("code", 0) in (0, 2)


class Collector:
    """Answers what it is told to, one answer a request and the last one for good."""

    def __init__(self, *answers: tuple[int, dict[str, str], str]) -> None:
        self.answers = list(answers) or [(200, {}, "{}")]
        self.spans: list[Span] = []  # of requests that were answered by 200
        self.resource: dict[str, str | int] = {}
        self.times: list[float] = []
        self.failed: BaseException | None = None
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.times.append(time.monotonic())
                status, headers, answer = collector.answers[0]
                if len(collector.answers) > 1:
                    del collector.answers[0]
                try:
                    assert self.path == "/v1/traces"
                    assert self.headers["Content-Type"] == "application/json"
                    spans = collector.read(json.loads(body))
                except BaseException as error:
                    collector.failed = error
                    raise
                if status == 200:
                    collector.spans += spans
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def read(self, told: dict[str, Any]) -> list[Span]:
        _check_by_proto(told)
        (resource_spans,) = told["resourceSpans"]
        self.resource = _attributes(resource_spans["resource"]["attributes"])
        (scope_spans,) = resource_spans["scopeSpans"]
        assert scope_spans["scope"]["name"] == "paddle_server"
        return [Span(span) for span in scope_spans["spans"]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def flag(self) -> str:
        return f"--otlp_endpoint={self.url}"

    def take(self, count: int) -> list[Span]:
        """All spans, once there are so many."""
        until(lambda: self.failed or len(self.spans) >= count, f"{count} spans are there")
        assert self.failed is None
        assert len(self.spans) == count
        assert len({span.id for span in self.spans}) == count
        return self.spans

    def __enter__(self) -> "Collector":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def models(tmp_path: Path) -> Repository:
    return Repository(tmp_path, m="times2")


def ask(server: Server, **headers: str) -> None:
    status, _, answer = server.call("POST", infer("m"), request(ROWS), **headers)
    assert (status, data(answer)) == (200, (2 * ROWS).ravel().tolist())


def check_family(spans: list[Span]) -> Span:
    """The server's span of a request that was computed, with its parts in their order within."""
    (root,) = (span for span in spans if span.kind == 2)
    parts = sorted((span for span in spans if span.kind == 1), key=lambda span: span.start)
    assert {part.name for part in parts} == {"decode", "queue", "compute", "encode"}
    by_name = {part.name: part for part in parts}
    before = root.start
    for name in ("decode", "queue", "compute", "encode"):
        part = by_name[name]
        assert part.trace == root.trace
        assert part.parent == root.id
        assert part.flags == 0x101
        assert before <= part.start
        before = part.end
    assert before <= root.end
    assert by_name["decode"].start == root.start
    assert by_name["encode"].end == root.end
    batch = by_name["compute"].attributes
    assert batch == {"paddle.batch.rows": len(ROWS), "paddle.batch.requests": 1}
    return root


def test_a_request_over_http_as_spans_of_its_callers_trace(models: Repository) -> None:
    with Collector() as collector, serving(models.flag, collector.flag) as server:
        ask(
            server,
            traceparent=f"00-{TRACE}-{PARENT}-01",
            tracestate="a=1,b=2",
            x_request_id="r-7",
        )
        root = check_family(collector.take(5))
        assert (root.trace, root.parent, root.state) == (TRACE, PARENT, "a=1,b=2")
        assert root.flags == 0x301
        assert root.name == "POST /v2/models/{model}/infer"
        assert root.status == {}
        assert root.attributes["http.request.method"] == "POST"
        assert root.attributes["http.response.status_code"] == 200
        assert root.attributes["http.route"] == "/v2/models/{model}/infer"
        assert root.attributes["url.path"] == "/v2/models/m/infer"
        assert root.attributes["url.scheme"] == "http"
        assert root.attributes["paddle.model.name"] == "m"
        assert root.attributes["paddle.model.version"] == "1"
        assert root.attributes["paddle.rows"] == len(ROWS)
        assert root.attributes["http.request.header.x-request-id"] == "r-7"
        assert collector.resource["service.name"] == "paddle_server"
        assert collector.resource["host.name"] == socket.gethostname()
        until(lambda: server.logged("request", trace_id=TRACE, request_id="r-7"))
        until(lambda: server.metric(SENT) == 5)
        assert server.metric(DROPPED) == 0
        _, headers, told = server.call(
            "GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0"
        )
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        (example,) = re.findall(r'^(\S+)\{.*# \{trace_id="(\w+)"\}', told.decode(), re.MULTILINE)
        assert example == ("paddle_server_request_duration_seconds_bucket", TRACE)


def test_a_call_over_grpc(models: Repository) -> None:
    with Collector() as collector, serving(models.flag, collector.flag) as server:
        told = tritonclient.grpc.InferInput("x", list(ROWS.shape), "FP32")
        told.set_data_from_numpy(ROWS.astype(np.float32))
        with tritonclient.grpc.InferenceServerClient(server.grpc_url) as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "r-8"}
            client.infer("m", [told], request_id="8", headers=headers)
            root = check_family(collector.take(5))
            assert (root.trace, root.parent) == (TRACE, PARENT)
            assert root.name == "inference.GRPCInferenceService/ModelInfer"
            assert root.attributes["rpc.system"] == "grpc"
            assert root.attributes["rpc.service"] == "inference.GRPCInferenceService"
            assert root.attributes["rpc.method"] == "ModelInfer"
            assert root.attributes["rpc.grpc.status_code"] == 0
            assert root.attributes["paddle.request.id"] == "8"
            with pytest.raises(tritonclient.grpc.InferenceServerException):
                client.infer("none", [told], headers=headers)
            failed = collector.take(6)[-1]
            assert failed.attributes["rpc.grpc.status_code"] == 5
            assert failed.status == {}  # the client's error
        until(lambda: server.logged("request", trace_id=TRACE, request_id="r-8", id="8"))


def test_who_decides_what_is_recorded(models: Repository) -> None:
    with (
        Collector() as collector,
        serving(models.flag, collector.flag, "--trace_sample=0") as server,
    ):
        ask(server)  # begins here
        ask(server, traceparent=f"00-{TRACE}-{PARENT}-00")  # the caller records nothing
        ask(server, traceparent=f"00-{TRACE}-{PARENT}-01")
        collector.take(5)
        assert server.stop() == 0
        collector.take(5)
    with Collector() as collector, serving(models.flag, collector.flag) as server:
        ask(server, traceparent=f"ff-{TRACE}-{PARENT}-01")  # not valid: as if it were not there
        assert server.call("GET", "/v2/health/ready")[0] == 200  # a probe
        assert server.call("GET", "/v2/models/none")[0] == 404
        root = check_family([s for s in collector.take(6) if "none" not in str(s.attributes)])
        assert root.trace != TRACE
        assert root.parent == ""
        assert root.flags == 0x101


def test_what_is_left_is_sent_at_the_end(models: Repository) -> None:
    with Collector() as collector, serving(models.flag, collector.flag) as server:
        ask(server)
        assert server.stop() == 0
        collector.take(5)


def test_the_environment_names_a_collector(
    models: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "ocr")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a%2Cb")
        with serving(models.flag) as server:
            ask(server)
            collector.take(5)
            assert collector.resource["service.name"] == "ocr"
            assert collector.resource["team"] == "a,b"
    # Meant for others: no reason not to serve.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318")
    with serving(models.flag) as server:
        ask(server)
        assert "TLS" in server.logged("traces are not sent")[0]["why"]


def test_a_collector_that_asks_for_patience_gets_all(models: Repository) -> None:
    answers = [(429, {"Retry-After": "0"}, ""), (503, {"Retry-After": "1"}, ""), (502, {}, "")]
    with (
        Collector(*answers, (200, {}, "{}")) as collector,
        serving(models.flag, collector.flag) as server,
    ):
        ask(server)
        check_family(collector.take(5))
        _, second, third, fourth = collector.times
        assert third - second >= 1  # as it was asked to
        assert fourth - third >= 1  # by itself
        assert server.metric(DROPPED) == 0
        (told,) = server.logged("the collector takes no traces")
        assert "429" in told["why"]
        until(lambda: server.logged("the collector takes traces again"))


def test_what_is_refused_is_not_sent_again(models: Repository) -> None:
    partly = '{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}'
    with (
        Collector((400, {}, "bad"), (200, {}, partly)) as collector,
        serving(models.flag, collector.flag) as server,
    ):
        ask(server)
        until(lambda: server.metric(DROPPED) == 5)
        ask(server)
        until(lambda: server.metric(DROPPED) == 7)
        assert server.metric(SENT) == 3
        assert len(collector.times) == 2


@contextlib.contextmanager
def bad_collector(how: str) -> Iterator[str]:
    """Takes connections and never an answer; or none at all."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if how == "away":
            listening.close()
        held: list[socket.socket] = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    if how == "resets":
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                        connection.close()
                    else:
                        held.append(connection)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


@pytest.mark.parametrize("how", ["hangs", "resets", "away"])
def test_a_bad_collector_costs_no_answer_and_no_end(models: Repository, how: str) -> None:
    with (
        bad_collector(how) as url,
        serving(models.flag, f"--otlp_endpoint={url}", "--drain_timeout_ms=3600000") as server,
    ):
        for _ in range(200):
            ask(server)
        if how != "hangs":
            until(lambda: server.logged("the collector takes no traces"))
        ask(server)
        # Not after the ten seconds of a request, the half minute of a wait: `stop` waits for less.
        assert server.stop() == 0
        assert server.logged("stopped")


@pytest.mark.parametrize(("url", "why"), [("https://h:4318", "TLS"), ("h:4318", "http://")])
def test_endpoints_that_are_none(models: Repository, url: str, why: str) -> None:
    done = run("serve", "--port=0", models.flag, f"--otlp_endpoint={url}")
    assert done.returncode == 1
    assert "--otlp_endpoint" in done.stderr
    assert why in done.stderr


def test_a_share_of_the_access_log(models: Repository) -> None:
    share = "--access_log_sample=0.5"
    with serving(models.flag, share, "--grpc_port=-1") as server:
        for trace in ("7" * 32, "f" * 32):
            ask(server, traceparent=f"00-{trace}-{PARENT}-00")
            headers = {"traceparent": f"00-{trace}-{PARENT}-00"}
            assert server.call("GET", "/v2/models/none", **headers)[0] == 404
        server.stop()
        logged = [(line["trace_id"][0], line["status"]) for line in server.logged("request")]
        assert logged == [("7", 200), ("7", 404), ("f", 404)]
