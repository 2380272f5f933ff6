"""Exports a network into files that depend on the network alone.

`paddle.jit.save` writes the absolute path of every source line that made an operator (attribute
op_callstack) into model.pdmodel, and a pickle beside it. `finish` takes out both, serialises the
program in one fixed way, and describes the result in metadata.json, in the words of the Open
Inference Protocol. Files of `save` and files that some other program wrote by `paddle.jit.save` end
the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.base.proto import framework_pb2

from paddle_training import pir, runtime

PROGRAM, PARAMETERS, METADATA = "model.pdmodel", "model.pdiparams", "metadata.json"
PIR = "model.json"  # the program, as Paddle 3 writes it
CARD = "model_card.md"
_PICKLE = "model.pdiparams.info"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_ABSOLUTE_PATH = re.compile(r"(?:^|[\s\"'=:(])(/[^/\s\"']+/[^\s\"']+)")
# Of variables that are dense tensors: what tells their type, and there how many levels of offsets
# they have. Paddle 3 has other names for both, and for the VarType.Type that says so.
_DENSE, _LEVELS = next(
    names
    for names in (("lod_tensor", "lod_level"), ("dense_tensor", "legacy_lod_level"))
    if names[0] in framework_pb2.VarType.DESCRIPTOR.fields_by_name
)
DENSE_TENSOR = framework_pb2.VarType.Type.Value(_DENSE.upper())
_BUILD_TREE = re.compile(rb"[^\0\s\"]*(?:site-packages|\.runfiles|/execroot/|bazel-out/)[^\0\s\"]*")


class ModelError(Exception):
    """A model that cannot be used; the message says what is wrong with which file."""


def save(
    network: paddle.nn.Layer,
    directory: Path,
    *,
    name: str,
    inputs: Sequence[paddle.static.InputSpec] | None,
    outputs: Sequence[str],
    metrics: Mapping[str, float],
    settings: Mapping[str, Any],
    description: str = "",
    data: Mapping[str, str] | None = None,
    licence: str = "",
    precision: str = "fp32",
) -> None:
    """Writes model.pdmodel (with Paddle 3 model.json), model.pdiparams and metadata.json.

    Further files that lie there already (character sets, dictionaries) belong to the model.

    Args:
        network: in evaluation mode.
        directory: is made when it does not exist.
        name: of the model.
        inputs: an InputSpec with a name for each input (None in a shape: variable), or None when
            the network's forward is wrapped by `to_static(input_spec=...)` already.
        outputs: the names that clients see, in the order in which `forward` returns them.
        metrics: what was measured on held-out data.
        settings: what the result depends on, beside the runtime's settings, which are added; its
            "data", the digest of what was trained on, becomes the data's "digest".
        description: what the model is for, in a sentence or more of Markdown.
        data: what it was trained on: "description", "licence", "digest".
        licence: of the model, as an SPDX expression.
        precision: "int8" for a quantised model.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paddle.jit.save(network, str(directory / "model"), input_spec=inputs and list(inputs))
    name_outputs(program_in(directory), outputs)
    written = {
        "description": description,
        "licence": licence,
        "precision": precision,
        "metrics": dict(metrics),
        "data": dict(data or {}),
        "settings": {**settings, **runtime.settings()},
    }
    (directory / METADATA).write_text(json.dumps(written), encoding="utf-8")
    finish(directory, directory, name)


def save_samples(
    directory: Path,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    labels: NDArray[np.int64] | None = None,
    lod: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Writes the golden inputs and outputs: NAME.npy each, labels.npy, request.json, SHA256SUMS.

    The outputs are what the network gave in training: whoever serves the model can compare with
    them. request.json asks for the first row in the words of the Open Inference Protocol. `lod`
    holds the offsets of tensors whose rows are sequences; they go to NAME.lod.npy, and the request
    is for the first sequence.

    `sha256sum -c SHA256SUMS` says whether the files are whole.
    """
    directory.mkdir(parents=True, exist_ok=True)
    offsets = {name: np.array(level, np.int64) for name, level in (lod or {}).items()}
    files = {**inputs, **outputs, **{f"{name}.lod": level for name, level in offsets.items()}}
    if labels is not None:
        files["labels"] = labels
    for name, array in files.items():
        np.save(directory / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    rows = []
    for name, array in inputs.items():
        count = int(offsets[name][1]) if name in offsets else 1
        rows.append(
            {
                "name": name,
                "datatype": datatype_of(array),
                "shape": [count, *array.shape[1:]],
                **({"parameters": {"lod": [0, count]}} if name in offsets else {}),
                "data": array[:count].ravel().tolist(),
            }
        )
    (directory / "request.json").write_text(json.dumps({"inputs": rows}) + "\n", encoding="utf-8")
    names = [*(f"{name}.npy" for name in files), "request.json"]
    sums = [f"{_sha256((directory / name).read_bytes())}  {name}\n" for name in sorted(names)]
    (directory / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def finish(
    raw: Path,
    directory: Path,
    name: str,
    settings: Mapping[str, Any] | None = None,
    code: str | None = None,
    ranges: Callable[[Path], Mapping[str, Sequence[int]]] | None = None,
) -> dict[str, Any]:
    """Turns what a trainer left in `raw` into the files of a model in `directory`.

    Args:
        raw: holds model.pdmodel, model.pdiparams (not, where the network has no parameters) and,
            where the trainer measured something, a metadata.json with what `save` takes ("metrics",
            "settings", ...). Other files (no folders) become part of the model.
        directory: may be the same.
        name: of the model.
        settings: under which the trainer ran, beside those it tells of.
        code: digest of the program that trained it.
        ranges: tells of the model in a directory the least and the greatest value that an input may
            have, by its name.

    Returns:
        The metadata.
    """
    exported = program_in(raw)
    told = _read_metadata(raw / METADATA) if (raw / METADATA).is_file() else {}
    if exported.name == PIR:
        tree = _read_pir(exported)
        inputs, outputs = pir.inputs_of(tree), pir.outputs_of(tree)
        parameters, int8 = pir.has_parameters(tree), False
        files = {PIR: pir.write(tree)}
    else:
        program = _strip(read_program(exported))
        inputs, outputs = inputs_of(program), _describe(program, "fetch", "X")
        parameters, int8 = _has_parameters(program), is_quantised(program)
        files = {PROGRAM: program.SerializeToString(deterministic=True)}
    if (raw / PARAMETERS).is_file():
        files[PARAMETERS] = (raw / PARAMETERS).read_bytes()
    elif parameters:
        raise ModelError(f"the trainer wrote no {PARAMETERS}; it wrote: {_listing(raw)}")
    else:  # Paddle writes none for a network without
        files[PARAMETERS] = b""
    for path in sorted(raw.iterdir()):
        if path.is_file() and path.name not in (*files, METADATA, CARD, _PICKLE):
            files[path.name] = path.read_bytes()
        elif not path.is_file() and raw != directory:  # by hand, checkpoints may lie there
            raise ModelError(
                f"{path.name} in the trainer's --out is no file; a model has no folders"
            )
    all_settings = {**told.get("settings", {}), **(settings or {})}
    data = dict(told.get("data") or {})
    if "data" in all_settings:
        data.setdefault("digest", all_settings.pop("data"))
    metadata = {
        "name": name,
        "description": told.get("description"),
        "licence": told.get("licence"),
        "source": told.get("source"),
        "paddle_version": paddle.version.full_version,
        "precision": "int8" if int8 else told.get("precision", "fp32"),
        "inputs": inputs,
        "outputs": outputs,
        "metrics": told.get("metrics", {}),
        "data": data,
        "settings": all_settings,
        "code": code or told.get("code"),
        "digests": {file: f"sha256:{_sha256(content)}" for file, content in files.items()},
    }
    untold = ("description", "licence", "source", "data", "code")
    metadata = {k: v for k, v in metadata.items() if v or k not in untold}
    directory.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (directory / file).write_bytes(content)
    if ranges is not None:
        found = ranges(directory)
        for tensor in metadata["inputs"]:
            if tensor["name"] in found:
                tensor["range"] = list(found[tensor["name"]])
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in metadata.items())
    (directory / METADATA).write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    (directory / _PICKLE).unlink(missing_ok=True)
    return metadata


def build_paths(directory: Path) -> list[str]:
    """Whatever in a model's files tells of the machine that wrote them: "FILE: WHAT" for each."""
    found = []
    for file in sorted(p for p in directory.rglob("*") if p.is_file()):
        where = file.relative_to(directory)
        data = file.read_bytes()
        found += [f"{where}: {m.decode(errors='replace')}" for m in _BUILD_TREE.findall(data)]
        if file.suffix == ".pdmodel":
            texts = _strings(read_program(file))
        elif file.name == PIR:
            texts = pir.texts(_read_pir(file))
        elif file.suffix == ".json":
            texts = iter([data.decode()])
        else:  # weights are no text: only the plain marks above are looked for
            continue
        for text in texts:
            found += [f"{where}: {path}" for path in _ABSOLUTE_PATH.findall(text)]
    return list(dict.fromkeys(found))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_metadata(path: Path) -> dict[str, Any]:
    """What the trainer told, if it is what `finish` can use."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"the trainer's {METADATA} is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise ModelError(f"the trainer's {METADATA} is no JSON object")
    for key, kind, what in (
        *((key, str, "a text") for key in ("description", "licence", "precision", "source")),
        *((key, dict, "an object") for key in ("metrics", "data", "settings")),
    ):
        if not isinstance(told.get(key, kind()), kind):
            raise ModelError(f'"{key}" of the trainer\'s {METADATA} is not {what}')
    for metric, value in told.get("metrics", {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ModelError(f"metric {metric} of the trainer's {METADATA} is no number: {value!r}")
    return told


def datatype_of(array: NDArray[Any]) -> str:
    """The Open Inference Protocol's datatype of an array, such as FP32."""
    if array.dtype.kind == "b":
        return "BOOL"
    return {"f": "FP", "i": "INT", "u": "UINT"}[array.dtype.kind] + str(8 * array.itemsize)


def _listing(directory: Path) -> str:
    return ", ".join(sorted(p.name for p in directory.iterdir())) or "nothing"


def read_program(path: Path) -> Any:
    """The ProgramDesc of a file; ModelError if it is none, OSError if it cannot be read."""
    program, content = framework_pb2.ProgramDesc(), path.read_bytes()
    try:
        program.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError moves between modules by version
        raise ModelError(f"{path.name} is no program of Paddle: {error}") from error
    return program


def program_in(directory: Path) -> Path:
    """The program that an export left; ModelError if there is none, or one in each format."""
    found = [directory / name for name in (PROGRAM, PIR) if (directory / name).is_file()]
    if not found:
        usual = PROGRAM if _DENSE == "lod_tensor" else PIR
        raise ModelError(f"the trainer wrote no {usual}; it wrote: {_listing(directory)}")
    if len(found) > 1:
        raise ModelError(f"the trainer wrote both {PROGRAM} and {PIR}; leave one of them")
    return found[0]


def _read_pir(path: Path) -> pir.Program:
    try:
        return pir.read(path)
    except ValueError as error:
        raise ModelError(f"{path.name} is no program of Paddle: {error}") from error


def _strip(program: Any) -> Any:
    for block in program.blocks:
        for operator in block.ops:
            kept = sorted(
                (a for a in operator.attrs if a.name != "op_callstack"),
                key=lambda a: a.name,
            )
            del operator.attrs[:]
            operator.attrs.extend(kept)
    return program


def _has_parameters(program: Any) -> bool:
    return any(v.persistable and v.type.type == DENSE_TENSOR for v in program.blocks[0].vars)


def is_quantised(program: Any) -> bool:
    """Whether the engine runs it in int8, by the sign that //cc/engine goes by."""
    return any(o.type == "quantize_linear" for o in program.blocks[0].ops)


def _ends(program: Any, kind: str, parameter: str) -> list[str]:
    """Names of the variables at the feed or fetch operators, in order of their columns."""
    ends = {}
    for operator in program.blocks[0].ops:
        if operator.type == kind:
            column = next(a.i for a in operator.attrs if a.name == "col")
            slots = [*operator.inputs, *operator.outputs]
            ends[column] = next(s.arguments[0] for s in slots if s.parameter == parameter)
    return [ends[column] for column in sorted(ends)]


def inputs_of(program: Any) -> list[dict[str, Any]]:
    """Name, datatype and shape of each input of a ProgramDesc, as metadata.json has them."""
    return _describe(program, "feed", "Out")


def _describe(program: Any, kind: str, parameter: str) -> list[dict[str, Any]]:
    variables = {v.name: getattr(v.type, _DENSE) for v in program.blocks[0].vars}
    return [
        {
            "name": name,
            # Paddle's names of types are the Open Inference Protocol's: FP32, INT64, BOOL, ...
            "datatype": framework_pb2.VarType.Type.Name(variables[name].tensor.data_type),
            "shape": list(variables[name].tensor.dims),
            # Absent where it is 0: most tensors know no sequences.
            **({"lod_level": level} if (level := getattr(variables[name], _LEVELS)) else {}),
        }
        for name in _ends(program, kind, parameter)
    ]


def name_outputs(path: Path, names: Sequence[str]) -> None:
    """Gives the outputs names to call them by, instead of save_infer_model/scale_0.tmp_0."""
    if path.name == PIR:
        tree = _read_pir(path)
        inputs = [tensor["name"] for tensor in pir.inputs_of(tree)]
        _check_names(inputs, [tensor["name"] for tensor in pir.outputs_of(tree)], names)
        if set(inputs) & set(names):
            raise ModelError(f"names of outputs that an input has already: {list(names)}")
        pir.name_outputs(tree, names)
        path.write_bytes(pir.write(tree))
        return
    program = read_program(path)
    inputs, old = _ends(program, "feed", "Out"), _ends(program, "fetch", "X")
    _check_names(inputs, old, names)
    taken = {v.name for block in program.blocks for v in block.vars} - set(old)
    if taken & set(names):
        raise ModelError(f"names of outputs that something else has already: {list(names)}")
    new = dict(zip(old, names, strict=True))
    for block in program.blocks:
        for variable in block.vars:
            variable.name = new.get(variable.name, variable.name)
        for operator in block.ops:
            for slot in (*operator.inputs, *operator.outputs):
                slot.arguments[:] = [new.get(a, a) for a in slot.arguments]
    path.write_bytes(program.SerializeToString(deterministic=True))


def _check_names(inputs: Sequence[str], old: Sequence[str], names: Sequence[str]) -> None:
    if len(old) != len(names):
        raise ModelError(f"the network has {len(old)} outputs, {len(names)} names were given")
    if bad := [n for n in [*inputs, *names] if not _NAME.fullmatch(n)]:
        raise ModelError(f"no names for inputs or outputs (letters, digits, _ . -): {bad}")
    if len(set(names)) < len(names):
        raise ModelError(f"names of outputs that something else has already: {list(names)}")


def _strings(program: Any) -> Iterator[str]:
    """Every text in a program but the name scopes, which look like paths and are none."""
    for block in program.blocks:
        for variable in block.vars:
            yield variable.name
        for operator in block.ops:
            for attribute in operator.attrs:
                if attribute.name == "op_callstack":
                    yield from attribute.strings
                elif attribute.name != "op_namescope":
                    yield attribute.s
                    yield from attribute.strings
