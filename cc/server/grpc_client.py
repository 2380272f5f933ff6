"""A client of the server's gRPC that is not ours."""

import json
from collections.abc import Iterable
from typing import Any

import tritonclient.grpc
import tritonclient.utils

from cc.server.serving import Arrays, lod_of, with_lod


def infer(url: str, model: str, inputs: Arrays, outputs: Iterable[str], **options: Any) -> Arrays:
    """Asks the server at HOST:PORT by tritonclient, as serving.infer does by HTTP."""
    tensors = []
    for name, array in inputs.items():
        if name.endswith(".lod"):
            continue
        datatype = tritonclient.utils.np_to_triton_dtype(array.dtype)
        tensors.append(tritonclient.grpc.InferInput(name, list(array.shape), datatype))
        tensors[-1].set_data_from_numpy(array)
        for level in lod_of(name, inputs):
            # This client has no public way.
            tensors[-1]._get_tensor().parameters["lod"].string_param = json.dumps(level)
    outputs = [name for name in outputs if not name.endswith(".lod")]
    wanted = [tritonclient.grpc.InferRequestedOutput(name) for name in outputs]
    with tritonclient.grpc.InferenceServerClient(url) as client:
        answer = client.infer(model, tensors, outputs=wanted, **options)
    told = [answer.get_output(name).parameters["lod"].string_param for name in outputs]
    lods = [[json.loads(level)] if level else [] for level in told]
    return with_lod(outputs, [answer.as_numpy(name) for name in outputs], lods)
