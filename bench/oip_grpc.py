"""Requests of the Open Inference Protocol by gRPC: as bytes, and asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from bench.oip import Array

SERVICE = "/inference.GRPCInferenceService"
METHOD = f"{SERVICE}/ModelInfer"
STREAM_METHOD = f"{SERVICE}/ModelStreamInfer"

_CONTENTS = {
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
}
_PREFIX = 5  # bytes before a message


def request(model: str, inputs: dict[str, Array], raw: bool) -> Any:
    """A ModelInferRequest for all outputs; the tensors as raw_input_contents or typed contents."""
    made = service_pb2.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        if name.endswith(".lod"):
            continue
        datatype = np_to_triton_dtype(array.dtype)
        tensor = made.inputs.add(name=name, datatype=datatype, shape=array.shape)
        if f"{name}.lod" in inputs:
            offsets = [inputs[f"{name}.lod"].tolist()]
            tensor.parameters["lod"].string_param = json.dumps(offsets)
        if raw:
            made.raw_input_contents.append(array.tobytes())
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(array.reshape(-1).tolist())
    return made


def message(model: str, inputs: dict[str, Array]) -> bytes:
    """A ModelInferRequest with raw_input_contents."""
    return bytes(request(model, inputs, raw=True).SerializeToString())


def framed(message: bytes) -> bytes:
    """As it goes over HTTP/2: uncompressed, and how long it is.

    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    return b"\0" + len(message).to_bytes(_PREFIX - 1, "big") + message


@dataclass(frozen=True)
class Call:
    """What a client sends: the body of DATA frames, and headers beside those of any call."""

    body: bytes
    path: str = METHOD
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def case(self) -> bytes:
        """A file for bench/load."""
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": self.path,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        fields |= dict(self.headers)
        lines = [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def call(port: int, path: str, messages: Sequence[bytes], timeout: float = 120) -> bytes:
    """Sends messages as they stand; the answer's, framed.

    Raises:
      grpc.RpcError: its status is not OK.
    """
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        # The bytes of a call are the same whether it is a stream.
        answers = channel.stream_stream(path)(iter(messages), timeout=timeout, wait_for_ready=True)
        return b"".join(framed(answer) for answer in answers)


def ask(port: int, message: bytes, timeout: float = 120) -> dict[str, Array]:
    """Sends a ModelInferRequest as it stands; the tensors of the answer by name.

    Raises:
      grpc.RpcError: its status is not OK.
    """
    body = call(port, METHOD, [message], timeout)
    answer = service_pb2.ModelInferResponse.FromString(body[_PREFIX:])
    return {
        output.name: np.frombuffer(raw, triton_to_np_dtype(output.datatype)).reshape(output.shape)
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }
