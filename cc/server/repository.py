"""Repositories of small networks (networks.py) that tests change while they are served."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS: NDArray[np.float32] = np.arange(8, dtype=np.float32).reshape(2, 4)


class Repository:
    """A directory of models, and one beside it where they are made ready."""

    def __init__(self, root: Path, **models: str) -> None:
        """Models by name: the network of each, as version 1."""
        self.root = root / "models"
        self.networks = root / "networks"
        self.made = 0
        self.root.mkdir(parents=True)
        with tarfile.open(os.environ["NETWORKS"]) as archive:
            archive.extractall(self.networks)
        for model, network in models.items():
            self.put(model, 1, network)

    @property
    def flag(self) -> str:
        return f"--model_repository={self.root}"

    def make(self, network: str, cut: bool = False) -> Path:
        """A directory with the network, which nobody serves yet."""
        self.made += 1
        directory = self.networks / f".made{self.made}"
        directory.mkdir()
        for file in (self.networks / network).iterdir():
            data = file.read_bytes()
            (directory / file.name).write_bytes(data[: len(data) // 2] if cut else data)
        return directory

    def put(self, model: str, version: int, network: str, cut: bool = False) -> None:
        """By rename, as one should."""
        (self.root / model).mkdir(exist_ok=True)
        self.make(network, cut).rename(self.root / model / str(version))

    def link(self, model: str, version: int, network: str, cut: bool = False) -> None:
        """As what syncs directories does: a link that is replaced in one step."""
        (self.root / model).mkdir(exist_ok=True)
        link = self.networks / f".link{self.made}"
        link.symlink_to(self.make(network, cut))
        link.rename(self.root / model / str(version))

    def remove(self, model: str, version: int | None = None) -> None:
        path = self.root / model / ("" if version is None else str(version))
        self.made += 1
        path.rename(self.networks / f".removed{self.made}")


def request(values: Any, datatype: str = "FP32", **parameters: Any) -> str:
    """JSON of an inference request for the input x."""
    array = np.asarray(values)
    data = {"name": "x", "datatype": datatype, "shape": array.shape, "data": array.ravel().tolist()}
    return json.dumps({"inputs": [data], **({"parameters": parameters} if parameters else {})})


def infer(model: str, version: int | None = None) -> str:
    """The path of its inference."""
    versions = "" if version is None else f"/versions/{version}"
    return f"/v2/models/{model}{versions}/infer"


def head(model: str, length: int, *headers: str, method: str = "POST", path: str = "") -> bytes:
    """The head of a request, for those who send by themselves."""
    lines = [
        f"{method} {path or infer(model)} HTTP/1.1",
        "Host: h",
        f"Content-Length: {length}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def data(answer: bytes) -> Any:
    """The values of the first output, or what the error says."""
    parsed = json.loads(answer)
    return parsed["error"] if "error" in parsed else parsed["outputs"][0]["data"]
