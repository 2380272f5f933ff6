"""Whether servers answer the same, in every form that they know."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping

import grpc
import numpy as np

from bazel.image.base.processes import UserError, say
from bench import oip, oip_grpc, servers
from bench.cases import Case
from bench.oip import Array, Model, Request
from bench.servers import Server

_TOLERANCE = 1e-3  # of the largest number of an answer; what is off by more is wrong


def compare(case: Case, model: Model, started: Mapping[str, Server]) -> list[str]:
    """Asks all for the same: what is to be told of those whose bits are not the first one's."""
    reference = next(iter(started))
    notes = []
    for rows in case.sizes:
        inputs = model.inputs(rows, np.random.RandomState(rows))
        right: dict[str, Array] = {}
        for name, server in started.items():
            for form, ask in _forms(case, model, server, inputs).items():
                outputs = ask()
                right = right or outputs
                if difference := _difference(right, outputs):
                    said = f"{case.name}: {name}, {form}, {rows} rows: not the bits of {reference}"
                    notes.append(f"{said} (off by {difference:.1e} of the largest)")
                    say("  " + notes[-1])
                    if difference > _TOLERANCE:
                        raise UserError(f"{name} answers something else: {notes[-1]}")
    return notes


def _forms(
    case: Case, model: Model, server: Server, inputs: dict[str, Array]
) -> dict[str, Callable[[], dict[str, Array]]]:
    found: dict[str, Callable[[], dict[str, Array]]] = {}
    if server.name not in servers.JSON_ONLY:
        binary = oip.request(model.name, inputs, binary=True)
        found["binary"] = lambda: ask(server, "binary", binary)
    if server.name not in servers.BINARY_ONLY:
        text = oip.request(model.name, inputs, binary=False)
        found["JSON"] = lambda: ask(server, "JSON", text)
    if case.grpc:
        message = oip_grpc.message(model.name, inputs)
        found["gRPC"] = lambda: _ask_grpc(server, message)
    return found


def ask(server: Server, form: str, wanted: Request) -> dict[str, Array]:
    """The outputs of a request that must not fail."""
    try:
        answer = oip.ask(server.port, wanted.raw)
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{server.name}, {form}: {error}; see {server.log}") from error
    if answer.status != 200:
        text = answer.body[:500].decode(errors="replace")
        raise UserError(f"{server.name} answers {form} with {answer.status}: {text}")
    return answer.outputs()


def _ask_grpc(server: Server, message: bytes) -> dict[str, Array]:
    try:
        return oip_grpc.ask(server.grpc_port, message)
    except grpc.RpcError as error:
        raise UserError(f"{server.name} answers gRPC with {error}; see {server.log}") from error


def _difference(right: dict[str, Array], outputs: dict[str, Array]) -> float:
    """How far tensors are apart, beside the largest number; 0 where they are equal bit by bit."""
    if right.keys() != outputs.keys():
        return float("inf")
    worst = 0.0
    for name, wanted in right.items():
        got = outputs[name]
        if got.shape != wanted.shape:
            return float("inf")
        if got.tobytes() != wanted.tobytes():
            scale = float(np.abs(wanted).max()) or 1.0
            worst = max(worst, float(np.abs(got - wanted).max()) / scale, 1e-30)
    return worst
