"""The requests of a soak, in files, with the answers that must come to them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tritonclient.grpc import service_pb2

from bazel.image.base.processes import UserError
from bench import oip, oip_grpc
from bench.oip import Array, Model
from bench.oip_grpc import METHOD, SERVICE, STREAM_METHOD, Call, framed

PROTOCOLS = ("http", "grpc")

_ROWS = (
    8  # of requests to models that leave a further dimension open; else as many as there are shapes
)
_STREAMED = 3  # requests of a stream, of this shape and the next ones

# grpc-status, https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_OK, _INVALID_ARGUMENT, _NOT_FOUND, _RESOURCE_EXHAUSTED = 0, 3, 5, 8
_UNIMPLEMENTED, _INTERNAL = 12, 13


def _http(line: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [line, "Host: localhost", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def malformed_http(model: Model) -> list[bytes]:
    """Requests that no server should answer but with an error of the client's."""
    inputs = model.inputs(2, np.random.RandomState(0))
    good = oip.request(model.name, inputs, binary=False)
    binary = oip.request(model.name, inputs, binary=True)
    post = f"POST {good.path} HTTP/1.1"
    head = f"Inference-Header-Content-Length: {binary.head}"
    told = json.loads(good.body)
    return [
        _http(post, good.body[:-2]),
        _http(post, b"[]"),
        _http(post, b"\x00\xff"),
        _http(post, json.dumps({"inputs": []}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"name": "no_such"}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"datatype": "FP99"}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"shape": [2, 3]}]}).encode()),
        _http(post, json.dumps({"inputs": [told["inputs"][0] | {"data": ["x"]}]}).encode()),
        _http(post, binary.body[:-1], head),
        _http(post, binary.body, "Inference-Header-Content-Length: 999999999"),
        _http(post, good.body, "Content-Encoding: gzip"),
        _http("POST /v2/models/no_such_model/infer HTTP/1.1", good.body),
        _http("GET /no/such/path HTTP/1.1"),
        _http(f"DELETE {good.path} HTTP/1.1"),
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"no HTTP at all\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n",
    ]


def malformed_grpc(model: Model) -> list[tuple[int, Call]]:
    """Calls that no server should answer but with that grpc-status."""
    inputs = model.inputs(2, np.random.RandomState(0))
    good = oip_grpc.message(model.name, inputs)

    def but(change: Callable[[service_pb2.ModelInferRequest], object]) -> bytes:
        made = oip_grpc.request(model.name, inputs, raw=True)
        change(made)
        return framed(made.SerializeToString())

    def twisted(**fields: object) -> bytes:
        def change(made: service_pb2.ModelInferRequest) -> None:
            for name in fields:
                made.inputs[0].ClearField(name)
            made.inputs[0].MergeFrom(type(made.inputs[0])(**fields))

        return but(change)

    unknown = but(lambda made: setattr(made, "model_name", "no_such_model"))
    return [
        (_INVALID_ARGUMENT, Call(twisted(name="no_such"))),
        (_INVALID_ARGUMENT, Call(twisted(datatype="FP99"))),
        (_INVALID_ARGUMENT, Call(twisted(shape=[2, 3]))),
        (_INVALID_ARGUMENT, Call(but(lambda made: made.raw_input_contents.pop()))),
        (_INVALID_ARGUMENT, Call(but(lambda made: made.inputs.pop()))),
        (_INVALID_ARGUMENT, Call(but(lambda made: made.raw_input_contents.append(b"more")))),
        (_INVALID_ARGUMENT, Call(framed(good[:-1]))),
        (_INVALID_ARGUMENT, Call(framed(b"\xff"))),
        (_NOT_FOUND, Call(unknown)),
        (_OK, Call(unknown, STREAM_METHOD)),  # which says so in its place of the stream
        (_UNIMPLEMENTED, Call(framed(b""), f"{SERVICE}/NoSuchMethod")),
        (_UNIMPLEMENTED, Call(framed(b""), "/no.such.Service/Method")),
        (_UNIMPLEMENTED, Call(framed(good), headers=(("grpc-encoding", "br"),))),
        (_INVALID_ARGUMENT, Call(b"\1" + framed(good)[1:], headers=(("grpc-encoding", "gzip"),))),
        (_INTERNAL, Call(b"\1" + framed(good)[1:])),
        (_INTERNAL, Call(framed(good)[:-1])),
        (_INTERNAL, Call(framed(good) * 2)),
        (_INTERNAL, Call(b"")),
        (_RESOURCE_EXHAUSTED, Call(b"\0\xff\xff\xff\xff" + good)),
        (_RESOURCE_EXHAUSTED, Call(framed(good), headers=(("large", "x" * 17_000),))),
        (_INVALID_ARGUMENT, Call(framed(good), headers=(("grpc-timeout", "soon"),))),
        (_INVALID_ARGUMENT, Call(framed(good), headers=(("content-type", "text/plain"),))),
    ]


class Requests:
    """What is asked of servers. A model gets as many requests as others in the same time."""

    def __init__(self, folder: Path, shapes: int, malformed: float) -> None:
        self._folder, self._shapes, self._malformed = folder, shapes, malformed
        self.cases: list[str] = []  # flags of bench/load
        self.model_of: dict[str, str] = {}  # by a request's file; of malformed ones none
        folder.mkdir()

    def prepare_http(self, models: Sequence[Model], port: int) -> None:
        def ask(model: Model, number: int, kind: str) -> tuple[bytes, bytes]:
            request = oip.request(model.name, self._inputs(model, number), kind == "binary")
            answer = oip.ask(port, request.raw)
            if answer.status != 200:
                raise UserError(f"{model.name}: {answer.status}: {answer.body[:500]!r}")
            return request.raw, answer.body

        self._prepare(models, "http", 200, {"binary": 0.75, "json": 0.25}, ask)
        for number, request in enumerate(bad := malformed_http(models[0])):
            answer = oip.ask(port, request)
            if not 400 <= answer.status < 500:
                raise UserError(f"a malformed request got {answer.status}: {request[:200]!r}")
            self._add_malformed("http", len(bad), number, answer.status, request)

    def prepare_grpc(self, models: Sequence[Model], port: int) -> None:
        def ask(model: Model, number: int, kind: str) -> tuple[bytes, bytes]:
            path = STREAM_METHOD if kind == "streamed" else METHOD
            requests = [
                oip_grpc.request(model.name, self._inputs(model, at), kind != "typed")
                for at in range(number, number + (_STREAMED if kind == "streamed" else 1))
            ]
            messages = [request.SerializeToString() for request in requests]
            body = b"".join(map(framed, messages))
            return Call(body, path).case, oip_grpc.call(port, path, messages)

        self._prepare(models, "grpc", _OK, {"raw": 0.6, "typed": 0.25, "streamed": 0.15}, ask)
        for number, (status, call) in enumerate(bad := malformed_grpc(models[0])):
            self._add_malformed("grpc", len(bad), number, status, call.case)

    def _inputs(self, model: Model, number: int) -> dict[str, Array]:
        """Of so many rows, and of a size of its own where the model leaves one open."""
        number %= self._shapes
        rows = 1 + number % (_ROWS if model.has_open_sizes else self._shapes)
        return model.inputs(rows, np.random.RandomState(number))

    def _prepare(
        self,
        models: Sequence[Model],
        protocol: str,
        status: int,
        kinds: dict[str, float],
        ask: Callable[[Model, int, str], tuple[bytes, bytes]],
    ) -> None:
        """Asks each request alone. `kinds`: their shares."""
        seconds: dict[str, float] = {}
        files: list[tuple[str, str, str]] = []
        for model in models:
            start = time.monotonic()
            for number in range(self._shapes):
                for kind in kinds:
                    path = f"{self._folder}/{model.name}-{number}-{kind}"
                    request, answer = ask(model, number, kind)
                    Path(path).write_bytes(request)
                    Path(path + ".answer").write_bytes(answer)
                    files.append((path, model.name, kind))
                    self.model_of[path] = model.name
            seconds[model.name] = time.monotonic() - start
        whole = sum(1 / one for one in seconds.values())
        for path, name, kind in files:
            share = (1 - self._malformed) * kinds[kind] / self._shapes
            weight = share / seconds[name] / whole
            self.cases.append(f"--case={protocol}:{weight}:{status}:{path}:{path}.answer")

    def _add_malformed(
        self, protocol: str, count: int, number: int, status: int, request: bytes
    ) -> None:
        file = self._folder / f"malformed-{protocol}-{number}"
        file.write_bytes(request)
        if self._malformed:
            self.cases.append(f"--case={protocol}:{self._malformed / count}:{status}:{file}")
