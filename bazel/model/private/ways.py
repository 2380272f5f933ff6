"""The ways to run a model, for tests: each takes inputs and gives outputs, arrays by name.

All have one signature: the model's directory, its inputs, and whether to compute with oneDNN as a
server does by itself. Where the rows of a tensor NAME are sequences, NAME.lod stands beside it:
their offsets, int64 (one level of LoD). A model whose metadata.json says "precision": "int8" runs
in int8 then.
"""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bazel.model.private import inference
from cc.server import grpc_client, serving
from cc.server.serving import Arrays, lod_of, with_lod

Way = Callable[[Path, Arrays, bool], Arrays]

# What the engine calls the two.
CPU_ENGINES: dict[bool, Literal["onednn", "plain"]] = {True: "onednn", False: "plain"}

servers = contextlib.ExitStack()  # close it when all is asked


def metadata(model: Path) -> dict[str, Any]:
    """What metadata.json says."""
    told: dict[str, Any] = json.loads((model / "metadata.json").read_text(encoding="utf-8"))
    return told


def output_names(model: Path) -> list[str]:
    """The model's outputs in their order."""
    return [output["name"] for output in metadata(model)["outputs"]]


def static_graph(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Runs the exported program by paddle.jit.load, which never takes oneDNN."""
    assert not onednn
    import paddle

    network = paddle.jit.load(str(model / "model"))
    network.eval()
    names = [tensor["name"] for tensor in metadata(model)["inputs"]]
    tensors = [paddle.to_tensor(inputs[name]) for name in names]
    for name, tensor in zip(names, tensors, strict=True):
        tensor.get_tensor().set_lod(lod_of(name, inputs))
    outputs = network(*tensors)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    lods = [output.get_tensor().lod() for output in outputs]
    return with_lod(output_names(model), [o.numpy() for o in outputs], lods)


def paddle_inference(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Runs it by paddle.inference."""
    int8 = metadata(model).get("precision") == "int8"
    return inference.run(model, inputs, onednn, int8)


def cc_engine(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Runs it by the C++ engine in a process of its own: `server predict`, from file to file."""
    outputs = output_names(model)
    with tempfile.TemporaryDirectory() as directory:
        arguments = [f"--model={model}", f"--cpu_engine={CPU_ENGINES[onednn]}", "--format=npy"]
        for name, array in inputs.items():
            np.save(f"{directory}/in.{name}.npy", array)
            if not name.endswith(".lod"):  # found beside its tensor
                arguments.append(f"--input={name}={directory}/in.{name}.npy")
        arguments += [f"--output={name}={directory}/out.{name}.npy" for name in outputs]
        done = serving.run("predict", *arguments)
        assert done.returncode == 0, done.stderr
        names = [n for o in outputs for n in (o, f"{o}.lod")]
        written = {n: Path(f"{directory}/out.{n}.npy") for n in names}
        return {name: np.load(path) for name, path in written.items() if path.exists()}


def python_module(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Runs it by the C++ engine's Python module, in this process, beside paddle."""
    from paddle_engine import Engine, LoDTensor

    given: dict[str, NDArray[Any] | LoDTensor] = {
        name: LoDTensor(array, lod) if (lod := lod_of(name, inputs)) else array
        for name, array in inputs.items()
        if not name.endswith(".lod")
    }
    outputs = Engine(model, cpu_engine=CPU_ENGINES[onednn]).run(given)
    arrays = [o.data if isinstance(o, LoDTensor) else o for o in outputs.values()]
    lods = [o.lod if isinstance(o, LoDTensor) else () for o in outputs.values()]
    return with_lod(list(outputs), arrays, lods)


@functools.cache
def _server(model: Path, onednn: bool) -> serving.Server:
    """A server of this model, which `servers` stops; its limits are no matter here."""
    folder = Path(servers.enter_context(tempfile.TemporaryDirectory()))
    (folder / "model").mkdir()
    (folder / "model/1").symlink_to(model.absolute())
    limits = (
        "--max_batch_size=1000000",
        *(f"--max_{k}_bytes={1 << 30}" for k in ("request", "json")),
    )
    flags = (f"--model_repository={folder}", f"--cpu_engine={CPU_ENGINES[onednn]}", *limits)
    return servers.enter_context(serving.serving(*flags))


def server_json(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Asks the server; all tensors are JSON."""
    outputs = output_names(model)
    return serving.infer(_server(model, onednn).url, "model", inputs, outputs, False, False)


def server_binary(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Asks the server; all tensors are binary."""
    outputs = output_names(model)
    return serving.infer(_server(model, onednn).url, "model", inputs, outputs, True, True)


def server_grpc(model: Path, inputs: Arrays, onednn: bool) -> Arrays:
    """Asks the server by gRPC; all tensors are raw."""
    return grpc_client.infer(_server(model, onednn).grpc_url, "model", inputs, output_names(model))
