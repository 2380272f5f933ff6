"""The model card: what metadata.json says, for people, and how to run the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def write(
    metadata: Mapping[str, Any], require: Mapping[str, str], label: str, samples: bool
) -> str:
    """The card as Markdown.

    Args:
        metadata: of the model, finished.
        require: metric -> bound, as the build checked it.
        label: of the target that makes the model, such as //python/digits:digits.
        samples: whether there are golden inputs and outputs.
    """
    name, data = metadata["name"], metadata.get("data", {})
    parts = [f"# {name}"]
    if "description" in metadata:
        parts.append(metadata["description"])
    parts += [
        f"Paddle {metadata['paddle_version']}, precision {metadata['precision']}. "
        f"Licence: {metadata.get('licence', 'not told')}.",
        "## Data",
        "\n".join(
            f"- {key}: {value}" for key, value in (data or {"description": "not told"}).items()
        ),
        "## Metrics on held-out data",
        _table(
            ("metric", "value", "required"),
            ((m, f"{v:.6g}", _bound(require.get(m))) for m, v in metadata["metrics"].items()),
        ),
        "## Inputs and outputs",
        _table(
            ("", "name", "datatype", "shape"),
            (
                (kind, tensor["name"], tensor["datatype"], _shape(tensor))
                for kind in ("input", "output")
                for tensor in metadata[f"{kind}s"]
            ),
        ),
        "-1 is a dimension that a request chooses.",
        "## How to run it",
        _serve(metadata, label, samples),
        "## Where it comes from",
        (
            f"It was trained elsewhere, and taken from {metadata['source']}. "
            f"`./bazelw build {label}` takes and checks it."
            if "source" in metadata
            else f"`./bazelw build {label}` trains and checks it."
        )
        + " A site that builds the same commit gets the same digests.",
        _table(("what", "digest"), [("code", metadata["code"]), *metadata["digests"].items()]),
        _table(("setting", "value"), metadata["settings"].items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    if not lines:
        return "None."
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines])


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|")


def _bound(bound: str | None) -> str:
    if bound is None:
        return ""
    return bound if bound.startswith(("<=", ">=")) else f">= {bound}"


def _shape(tensor: Mapping[str, Any]) -> str:
    lod = ", sequences one after the other (LoD)" if tensor.get("lod_level") else ""
    return f"{tensor['shape']}{lod}"


def _serve(metadata: Mapping[str, Any], label: str, samples: bool) -> str:
    name, inputs = metadata["name"], metadata["inputs"]
    body = "@request.json"
    if not samples:
        asked = ", ".join(
            f'{{"name": "{i["name"]}", "datatype": "{i["datatype"]}", '
            f'"shape": {_of_one_row(i)}, '
            + ('"parameters": {"lod": [0, 1]}, ' if i.get("lod_level") else "")
            + '"data": [...]}'
            for i in inputs
        )
        body = f"'{{\"inputs\": [{asked}]}}'"
    lines = [
        "Served by `server serve --model_repository DIR`, this folder being "
        f"`DIR/{name}/1` (Open Inference Protocol v2):",
        f"```sh\ncurl http://localhost:8080/v2/models/{name}/infer -d {body}\n```",
    ]
    if samples:
        lines.append(
            f"`./bazelw build {label}.samples` makes `request.json`, the golden inputs and the "
            "outputs that belong to them; `./bazelw run //bazel/model:check -- --model "
            f"{name} --samples bazel-bin/{label.strip('/').replace(':', '/')}.samples` asks a "
            "server for them and compares."
        )
    arrays = ", ".join(f'"{i["name"]}": {_zeros(i)}' for i in inputs)
    lines += [
        "In Python:",
        "```python\n"
        "import numpy as np\n"
        "import paddle_engine\n\n"
        f'model = paddle_engine.Engine("DIR/{name}/1")\n'
        f"outputs = model.run({{{arrays}}})\n"
        "```",
    ]
    return "\n\n".join(lines)


def _zeros(tensor: Mapping[str, Any]) -> str:
    """Python's words for one row of zeros."""
    dtype = tensor["datatype"].replace("FP", "float").lower()
    zeros = f'np.zeros({_of_one_row(tensor)}, "{dtype}")'
    return f"paddle_engine.LoDTensor({zeros}, [[0, 1]])" if tensor.get("lod_level") else zeros


def _of_one_row(tensor: Mapping[str, Any]) -> list[int]:
    """A shape in which every open dimension is 1."""
    return [1 if size < 0 else size for size in tensor["shape"]]
