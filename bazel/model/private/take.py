"""Takes a model that others trained, as paddle_model_import does: the trainer of its paddle_model.

The program may be FILE.json (of Paddle 3), FILE.pdmodel, __model__ or any other file with a
ProgramDesc; the parameters one file, or a folder with a file for each, as Paddle wrote before 2.0.
They are taken byte by byte.
What paddle.inference answers to the inputs becomes the golden outputs.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml
from numpy.typing import NDArray

from bazel.model.private import words
from paddle_training import runtime

_SHAPE = re.compile(r"\d+(x\d+)*")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SEED = 0


def parameters_beside(program: Path) -> Path:
    """The parameters of a program by the names that Paddle and its tools give them."""
    names = [f"{program.stem}.pdiparams", "__params__", "params"]
    for name in names:
        if (found := program.with_name(name)).is_file():
            return found
    if program.name == "__model__":
        return program.parent
    listing = ", ".join(sorted(path.name for path in program.parent.iterdir()))
    raise click.ClickException(
        f"beside {program} there is none of {', '.join(names)}; there are: {listing}. Name the "
        "file in `parameters` of the paddle_model_import."
    )


def convert(program: Path, parameters: Path, out: Path) -> Path:
    """Writes model.pdmodel or model.json, which it returns, and model.pdiparams."""
    import paddle

    from paddle_training import export
    from paddle_training.parameters import names

    model = out / (export.PIR if program.suffix == ".json" else export.PROGRAM)
    if model.name == export.PIR and paddle.version.major == "2":
        raise click.ClickException(
            f'{program} is in the format of Paddle 3: it takes `paddle = "3"` in the '
            "paddle_model_import"
        )
    if parameters.is_dir():
        # A file of one parameter holds what model.pdiparams holds of it, in order of the names.
        files = [parameters / name for name in names(export.read_program(program))]
        if absent := [path.name for path in files if not path.is_file()]:
            raise click.ClickException(
                f"{parameters} has no file for the parameters {', '.join(absent[:5])} of {program}"
            )
        content = b"".join(path.read_bytes() for path in files)
    else:
        content = parameters.read_bytes()
    (out / export.PARAMETERS).write_bytes(content)
    shutil.copyfile(program, model)
    return model


def read_inputs(told: dict[str, str], specs: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """The golden inputs: NAME or NAME.lod -> a shape, to be filled, or a file."""
    needed = [spec["name"] for spec in specs]
    known = {*needed, *(f"{s['name']}.lod" for s in specs if s.get("lod_level"))}
    if wrong := sorted((set(needed) - told.keys()) | (told.keys() - known)):
        raise click.ClickException(
            f"`inputs` of the paddle_model_import must have {', '.join(sorted(known))}, each a "
            f"shape or a file.npy; it is wrong about {', '.join(wrong)}"
        )
    types = {spec["name"]: spec["datatype"] for spec in specs}
    random = np.random.default_rng(_SEED)
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in told.items():
        if not _SHAPE.fullmatch(value):
            arrays[name] = np.load(value, allow_pickle=False)
        elif types.get(name) == "FP32":
            shape = [int(size) for size in value.split("x")]
            arrays[name] = random.random(shape, np.float32)
        else:
            raise click.ClickException(
                f"input {name} is {types.get(name, 'of sequences')}: what is in it only a file.npy "
                "can say; name one in `inputs` of the paddle_model_import"
            )
    return arrays


def tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in arrays.items() if not name.endswith(".lod")}


def offsets(arrays: dict[str, NDArray[Any]]) -> dict[str, list[int]]:
    """Of tensors whose rows are sequences, by the tensor's name."""
    return {
        name.removesuffix(".lod"): array.tolist()
        for name, array in arrays.items()
        if name.endswith(".lod")
    }


def source_of(program: Path, told: str) -> str:
    """The package or the image that a file was in, and where; else where it was said to be."""
    for folder in program.parents:
        if is_image_manifest(manifest := folder / "manifest.json"):
            digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
            return f"image sha256:{digest}, {program.relative_to(folder)}"
        for metadata in sorted(folder.glob("*.dist-info/METADATA")):
            fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8"))
            return f"{fields['Name']} {fields['Version']}, {program.relative_to(folder)}"
    return told


def is_image_manifest(file: Path) -> bool:
    """Whether it is what oci_model_files leaves beside an image's files."""
    try:
        return "layers" in json.loads(file.read_bytes())
    except (OSError, TypeError, ValueError):
        return False


def listed(file: Path, keys: str) -> str:
    """The texts of a list in a file of YAML or JSON, a line each; `keys` lead to it: A.B.C."""
    found = yaml.load(file.read_bytes(), yaml.CSafeLoader)
    try:
        for key in keys.split("."):
            found = found[key]
    except (KeyError, TypeError) as error:
        raise click.ClickException(
            f"{file} has no {keys}, which `files` of the paddle_model_import names: {error!r}"
        ) from error
    if not isinstance(found, list):
        raise click.ClickException(f"{keys} of {file} is no list")
    if wrong := [text for text in found if not isinstance(text, str) or "\n" in text]:
        raise click.ClickException(f"{keys} of {file} has {wrong[0]!r}, which is no line of text")
    return "".join(f"{text}\n" for text in found)


def inputs_of(program: Path) -> list[dict[str, Any]]:
    """Name, datatype and shape of each input of a program of either format."""
    from paddle_training import export, pir

    if program.name == export.PIR:
        return pir.inputs_of(pir.read(program))
    return export.inputs_of(export.read_program(program))


def copy(value: str, out: Path) -> None:
    """Writes one of `files`: PATH as it is, of PATH#KEYS the list there."""
    path, _, keys = value.partition("#")
    if keys:
        out.write_text(listed(Path(path), keys), encoding="utf-8", newline="\n")
    else:
        shutil.copyfile(path, out)


def correct_types(program: Path, outputs: dict[str, NDArray[Any]]) -> None:
    """Makes the program say of its outputs what they are: exporters did not look.

    That is the type of the elements (LAC's), whether there are offsets, and which sizes may be
    others (PicoDet's boxes are said to be 3598 sequences, and come with their number for each
    picture instead). Paddle 3 has looked: what its own format says, it is held to.
    """
    from paddle.base.proto import framework_pb2

    from paddle_training import export, pir

    if program.name == export.PIR:
        for told in pir.outputs_of(pir.read(program)):
            array = outputs[told["name"]]
            fits = len(told["shape"]) == array.ndim and all(
                size in (-1, given) for size, given in zip(told["shape"], array.shape, strict=True)
            )
            if told["datatype"] != export.datatype_of(array) or not fits:
                raise export.ModelError(
                    f"it says that {told['name']} is {told['datatype']} {told['shape']}, and gives "
                    f"{export.datatype_of(array)} {list(array.shape)}"
                )
        return
    # Paddle 3 has another name for both.
    dense = framework_pb2.VarType.Type.Name(export.DENSE_TENSOR).lower()
    levels = "lod_level" if dense == "lod_tensor" else "legacy_lod_level"
    desc = export.read_program(program)
    for variable in desc.blocks[0].vars:
        if variable.name in outputs:
            kind = export.datatype_of(outputs[variable.name])
            tensor = getattr(variable.type, dense)
            tensor.tensor.data_type = framework_pb2.VarType.Type.Value(kind)
            setattr(tensor, levels, int(f"{variable.name}.lod" in outputs))
            for axis, size in enumerate(outputs[variable.name].shape):
                if tensor.tensor.dims[axis] != size:
                    tensor.tensor.dims[axis] = -1
    program.write_bytes(desc.SerializeToString(deterministic=True))


@click.command(help=__doc__)
@click.option("--program", type=_FILE, required=True)
@click.option("--parameters", type=click.Path(exists=True, path_type=Path), help="File or folder.")
@click.option(
    "--input", "inputs", multiple=True, callback=words.pairs, help="NAME=1x3x64x64|FILE.npy"
)
@click.option("--output", "outputs", multiple=True, help="A name for each output, in order.")
@click.option(
    "--file",
    "files",
    multiple=True,
    callback=words.pairs,
    help="NAME=PATH: lies beside it; PATH#KEYS: a list in it.",
)
@click.option("--told", required=True, help="JSON: source, description, licence, data.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--samples", type=click.Path(path_type=Path), required=True)
def main(
    program: Path,
    parameters: Path | None,
    inputs: dict[str, str],
    outputs: tuple[str, ...],
    files: dict[str, str],
    told: str,
    out: Path,
    samples: Path,
) -> None:
    """Takes and asks it; its help text is this file's."""
    runtime.start(0)
    from bazel.model.private import inference
    from paddle_training import export

    out.mkdir(parents=True, exist_ok=True)
    try:
        model = convert(program, parameters or parameters_beside(program), out)
        if outputs:
            export.name_outputs(model, outputs)
        given = read_inputs(inputs, inputs_of(model))
        answers = inference.run(out, given)
        correct_types(model, answers)
    except (export.ModelError, ValueError) as error:  # the latter of pir
        raise click.ClickException(f"{program}: {error}") from error
    for name, value in files.items():
        copy(value, out / name)
    facts = json.loads(told)
    facts["source"] = source_of(program, facts["source"])
    (out / export.METADATA).write_text(json.dumps(facts), encoding="utf-8")
    export.save_samples(samples, tensors(given), tensors(answers), lod=offsets(given | answers))


if __name__ == "__main__":
    main()
