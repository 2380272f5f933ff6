"""Programs in Paddle 3's own format (model.json), as `paddle.jit.save` writes them there.

docs/engine.md tells of the format. Values have numbers, types are lists, and names are those that
inputs (`data`) and outputs (`fetch`) have as attributes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Program = dict[str, Any]

PARAMETER, INPUT, OUTPUT = "p", "1.data", "1.fetch"

# The Open Inference Protocol's datatypes; those of a tensor's elements begin with "0.t_".
_DATATYPES = {
    "bool": "BOOL",
    "bf16": "BF16",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "i8": "INT8",
    "ui8": "UINT8",
}
# Where in the network an operator was made: it looks like a path, and nobody reads it.
_SCOPE = "struct_name"


def read(path: Path) -> Program:
    """The program of a file; ValueError if it is none, OSError if it cannot be read."""
    program = json.loads(path.read_text(encoding="utf-8"))
    try:
        if program["base_code"]["magic"] != "pir":
            raise ValueError(f"{path.name} is no program of Paddle 3")
        list(operators(program))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is no program of Paddle 3: {error!r}") from error
    return dict(program)


def write(program: Program) -> bytes:
    """The same program as the same bytes, without what tells of the network's source."""
    for operator in operators(program):
        if operator["#"] != PARAMETER:
            operator["A"] = [a for a in operator["A"] if a["N"] != _SCOPE]
    return json.dumps(program, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def operators(owner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of a program's, those of branches and loops behind what holds them."""
    for region in owner["program"]["regions"] if "program" in owner else owner.get("regions", []):
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield operator
                yield from operators(operator)


def has_parameters(program: Program) -> bool:
    return any(operator["#"] == PARAMETER for operator in operators(program))


def inputs_of(program: Program) -> list[dict[str, Any]]:
    """Name, datatype and shape of each input, as metadata.json has them."""
    return [_describe(_attribute(o, "name"), o["O"][0]["TT"]) for o in _all(program, INPUT)]


def outputs_of(program: Program) -> list[dict[str, Any]]:
    """The same of each output, in the order of their columns."""
    ends = sorted(_all(program, OUTPUT), key=lambda operator: int(_attribute(operator, "col")))
    return [_describe(_attribute(o, "name"), o["O"][0]["TT"]) for o in ends]


def name_outputs(program: Program, names: Sequence[str]) -> None:
    """Gives the outputs these names, in the order of their columns."""
    for operator in _all(program, OUTPUT):
        for attribute in operator["A"]:
            if attribute["N"] == "name":
                attribute["AT"]["D"] = names[int(_attribute(operator, "col"))]


def texts(program: Program) -> Iterator[str]:
    """Every text in it but those of scopes."""
    for operator in operators(program):
        if operator["#"] == PARAMETER:
            yield operator["A"][3]
            continue
        for attribute in operator["A"]:
            value = attribute["AT"].get("D")
            if attribute["N"] != _SCOPE and isinstance(value, str):
                yield value


def _all(program: Program, kind: str) -> list[dict[str, Any]]:
    return [operator for operator in operators(program) if operator["#"] == kind]


def _attribute(operator: dict[str, Any], name: str) -> Any:
    return next(a["AT"]["D"] for a in operator["A"] if a["N"] == name)


def _describe(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    element, shape, _, levels, _ = kind["D"]
    return {
        "name": name,
        "datatype": _DATATYPES[element["#"].removeprefix("0.t_")],
        "shape": shape,
        **({"lod_level": len(levels)} if levels else {}),
    }
