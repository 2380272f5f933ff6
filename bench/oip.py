"""Requests and answers of the Open Inference Protocol as bytes, for generators of load."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "INT64": np.int64}
_OPEN_SIZES = (16, 64)  # of a dimension that a model leaves open, beside the first


@dataclass(frozen=True)
class Model:
    """A model that paddle_model made, and what its metadata says."""

    folder: Path

    @property
    def metadata(self) -> Any:
        return json.loads((self.folder / "metadata.json").read_text())

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def has_open_sizes(self) -> bool:
        """Whether a dimension beside the first is open."""
        return any(
            tensor.get("lod_level") or -1 in tensor["shape"][1:]
            for tensor in self.metadata["inputs"]
        )

    def inputs(self, rows: int, random: np.random.RandomState) -> dict[str, Array]:
        """Values that any model bears: integers, which may be a table's indices, are 0 and 1.

        NAME.lod beside NAME: offsets, where the rows are sequences.
        """
        found: dict[str, Array] = {}
        size = int(random.randint(*_OPEN_SIZES))
        for tensor in self.metadata["inputs"]:
            shape = [rows, *(size if n == -1 else n for n in tensor["shape"][1:])]
            if tensor.get("lod_level"):
                shape[0] = rows * size
                found[tensor["name"] + ".lod"] = np.arange(0, shape[0] + 1, size)
            dtype = _DTYPES[tensor["datatype"]]
            if np.issubdtype(dtype, np.integer):
                found[tensor["name"]] = random.randint(0, 2, shape).astype(dtype)
            else:
                found[tensor["name"]] = random.standard_normal(shape).astype(dtype)
        return found


@dataclass(frozen=True)
class Request:
    """An infer request: its body, and how long the JSON before binary data is; 0 is all JSON."""

    model: str
    body: bytes
    head: int = 0

    @property
    def path(self) -> str:
        return f"/v2/models/{self.model}/infer"

    @property
    def headers(self) -> dict[str, str]:
        if not self.head:
            return {"Content-Type": "application/json"}
        return {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(self.head),
        }

    @property
    def raw(self) -> bytes:
        """The whole HTTP request."""
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


def request(model: str, inputs: dict[str, Array], binary: bool) -> Request:
    """Asks for all outputs, in the same form."""
    tensors: list[dict[str, Any]] = []
    arrays = {name: array for name, array in inputs.items() if not name.endswith(".lod")}
    for name, array in arrays.items():
        datatype = {np.dtype(dtype): known for known, dtype in _DTYPES.items()}[array.dtype]
        tensor: dict[str, Any] = {"name": name, "shape": array.shape, "datatype": datatype}
        parameters: dict[str, Any] = {"binary_data_size": array.nbytes} if binary else {}
        if f"{name}.lod" in inputs:
            parameters["lod"] = [inputs[f"{name}.lod"].tolist()]
        if parameters:
            tensor["parameters"] = parameters
        if not binary:
            flat = array.reshape(-1).tolist()
            # Nine digits say a float32 to the bit; Python would write those of a float64.
            tensor["data"] = [float(f"{v:.9g}") for v in flat] if array.dtype.kind == "f" else flat
        tensors.append(tensor)
    told: dict[str, Any] = {"inputs": tensors}
    if binary:
        told["parameters"] = {"binary_data_output": True}
    head = json.dumps(told, separators=(",", ":")).encode()
    if not binary:
        return Request(model, head)
    return Request(model, head + b"".join(a.tobytes() for a in arrays.values()), len(head))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    head: int

    def outputs(self) -> dict[str, Array]:
        """The tensors by name, whichever form they have."""
        told = json.loads(self.body[: self.head] if self.head else self.body)
        found, at = {}, self.head
        for tensor in told["outputs"]:
            dtype = np.dtype(_DTYPES[tensor["datatype"]])
            size = tensor.get("parameters", {}).get("binary_data_size")
            if size is None:
                flat = np.array(tensor["data"], dtype)
            else:
                flat = np.frombuffer(self.body[at : at + size], dtype)
                at += size
            found[tensor["name"]] = flat.reshape(tensor["shape"])
        return found


def ask(port: int, request: bytes, timeout: float = 120) -> Answer:
    """Sends a request as it stands, on a connection of its own."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout)) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        head = int(response.getheader("Inference-Header-Content-Length") or 0)
        return Answer(response.status, response.read(), head)
