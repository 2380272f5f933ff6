"""Takes the lexical-analysis model out of the package LAC 2.1.2, instead of training one.

It segments Chinese sentences and tags each word: part of speech, person, place, organisation, time.
The weights stay as they are, byte by byte; the program's output gets a name and its real type.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np

from lac import sentences
from lac.lexicon import FILES, Lexicon
from paddle_training import paths, runtime, training

_INT64 = 3  # VarType.INT64


def _package() -> Path:
    """Where LAC lies; nothing of it is run."""
    found = importlib.util.find_spec("LAC")
    if found is None or found.origin is None:
        raise click.ClickException("the package LAC is not installed: `pip install lac==2.1.2`")
    return Path(found.origin).parent / "lac_model"


def _convert(model: Path, out: Path) -> None:
    """Writes the old format (__model__, a file for each parameter) as today's two files.

    A file of one parameter holds what model.pdiparams holds of it, in order of the names.
    """
    from paddle.base.proto import framework_pb2

    from paddle_training import export, parameters

    program = framework_pb2.ProgramDesc()
    program.ParseFromString((model / "__model__").read_bytes())
    variables = program.blocks[0].vars
    (out / export.PARAMETERS).write_bytes(
        b"".join((model / name).read_bytes() for name in parameters.names(program))
    )
    # The program says FP32 of what crf_decoding gives, which is INT64.
    types: dict[str, Any] = {v.name: v.type.lod_tensor.tensor for v in variables}
    for operator in program.blocks[0].ops:
        if operator.type in ("crf_decoding", "scale"):
            types[operator.outputs[0].arguments[0]].data_type = _INT64
    (out / export.PROGRAM).write_bytes(program.SerializeToString(deterministic=True))
    export.name_outputs(out / export.PROGRAM, ["tags"])


def _save_samples(model: Path, lexicon: Lexicon, directory: Path) -> None:
    """Writes sentences and what the model, as the package has it, gives for them."""
    import paddle

    from paddle_training import export

    _, words, lod = lexicon.batch(list(sentences.TAGGED))
    paddle.enable_static()
    cpu = paddle.CPUPlace()
    executor = paddle.static.Executor(cpu)
    program, _, fetched = paddle.static.load_inference_model(
        str(model), executor, model_filename="__model__"
    )
    feed = paddle.base.create_lod_tensor(words, [np.diff(lod).tolist()], cpu)
    (tags,) = executor.run(program, {"words": feed}, fetched, return_numpy=False)
    if tags.lod() != [lod]:
        raise click.ClickException(f"the model gave sequences {tags.lod()} for {[lod]}")
    export.save_samples(
        directory,
        {"words": words},
        {"tags": np.array(tags)},
        lod={"words": lod, "tags": lod},
    )


@click.command(help=__doc__)
@click.option(
    "--out",
    required=True,
    type=paths.UserPath(file_okay=False),
    callback=training.made,
    help="Folder for the model.",
)
@click.option(
    "--samples",
    type=paths.UserPath(file_okay=False),
    callback=training.made,
    help="Also write sentences and the model's outputs here (.npy).",
)
def main(out: Path, samples: Path | None) -> None:
    """Takes and converts; its help text is this file's."""
    runtime.start(0)
    from paddle_training import export

    package = _package()
    _convert(package / "model", out)
    for file in FILES:
        shutil.copyfile(package / "conf" / file, out / file)
    told = {
        "description": "Cuts Chinese sentences into words and says of each its part of speech, or "
        "that it names a person, a place, an organisation or a time: the model of LAC 2.1.2 (two "
        "layers of bidirectional GRU, a CRF). The dictionaries beside it number the pieces of a "
        "sentence (word.dic, q2b.dic, small_seg.dic) and name the tags (tag.dic).",
        "licence": "Apache-2.0",
        "data": {"description": "annotated text of Baidu's, which is not published"},
    }
    (out / export.METADATA).write_text(json.dumps(told), encoding="utf-8")
    export.finish(out, out, "lac")
    if samples:
        _save_samples(package / "model", Lexicon(out), samples)


if __name__ == "__main__":
    main()
