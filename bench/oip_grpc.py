"""Requests of the Open Inference Protocol by gRPC: as bytes, and asked."""

from __future__ import annotations

import grpc
import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from bench.oip import Array

METHOD = "/inference.GRPCInferenceService/ModelInfer"


def message(model: str, inputs: dict[str, Array]) -> bytes:
    """A ModelInferRequest with raw_input_contents."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        datatype = np_to_triton_dtype(array.dtype)
        request.inputs.add(name=name, shape=array.shape, datatype=datatype)
        request.raw_input_contents.append(array.tobytes())
    serialized: bytes = request.SerializeToString()
    return serialized


def framed(message: bytes) -> bytes:
    """As it goes over HTTP/2: uncompressed, and how long it is.

    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    return b"\0" + len(message).to_bytes(4, "big") + message


def ask(port: int, message: bytes, timeout: float = 120) -> dict[str, Array]:
    """Sends a ModelInferRequest as it stands; the tensors of the answer by name.

    Raises:
      grpc.RpcError: its status is not OK.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(
            METHOD, response_deserializer=service_pb2.ModelInferResponse.FromString
        )
        answer = infer(message, timeout=timeout, wait_for_ready=True)
    return {
        output.name: np.frombuffer(raw, triton_to_np_dtype(output.datatype)).reshape(output.shape)
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }
