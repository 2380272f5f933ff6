"""Requests of the Open Inference Protocol over gRPC as HTTP/2 carries them, for load."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

from bench.oip import DTYPES, Array

SERVICE = "/inference.GRPCInferenceService"
INFER = f"{SERVICE}/ModelInfer"
STREAM_INFER = f"{SERVICE}/ModelStreamInfer"

_CONTENTS = {
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
}


def framed(message: bytes) -> bytes:
    """With the prefix that says it is not compressed, and its bytes."""
    return b"\0" + struct.pack(">I", len(message)) + message


@dataclass(frozen=True)
class Call:
    """What a client sends: the body of DATA frames, and headers beside those of any call."""

    body: bytes
    path: str = INFER
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


def request(model: str, inputs: dict[str, Array], raw: bool) -> Any:
    """A ModelInferRequest for all outputs; the tensors as raw bytes or as typed contents."""
    made = service_pb2.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        if name.endswith(".lod"):
            continue
        datatype = {np.dtype(dtype): known for known, dtype in DTYPES.items()}[array.dtype]
        tensor = made.inputs.add(name=name, datatype=datatype, shape=array.shape)
        if f"{name}.lod" in inputs:
            offsets = [inputs[f"{name}.lod"].tolist()]
            tensor.parameters["lod"].string_param = json.dumps(offsets)
        if raw:
            made.raw_input_contents.append(array.tobytes())
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(array.reshape(-1).tolist())
    return made


def ask(port: int, path: str, messages: Iterable[Any], timeout: float = 120) -> bytes:
    """The body of the answer, by grpcio, on a connection of its own; raises grpc.RpcError."""
    # The answer's bytes as they are; bytes of a call are the same whether it is a stream.
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.stream_stream(path)
        asked = iter([bytes(message.SerializeToString()) for message in messages])
        return b"".join(framed(message) for message in call(asked, timeout=timeout))
