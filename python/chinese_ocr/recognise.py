"""Reads line images with an exported model: a line CONFIDENCE<TAB>TEXT<TAB>FILE for each."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chinese_ocr import ctc, lines
from paddle_training import paths, runtime


@click.command(help=__doc__)
@click.option(
    "--model",
    required=True,
    type=paths.UserPath(exists=True, file_okay=False),
    help="Folder of a model that chinese_ocr's train exported.",
)
@click.argument("images", nargs=-1, required=True, type=paths.UserPath())
def main(model: Path, images: tuple[Path, ...]) -> None:
    """Reads; its help text is this file's. Exits 1 if an image cannot be read."""
    characters = lines.read_characters(model / lines.CHARACTERS)
    runtime.start(0)
    import paddle

    from paddle_training import export, parameters

    try:
        parameters.load(model)  # a damaged file ends Paddle with a trace of C++
    except export.ModelError as error:
        raise click.ClickException(str(error)) from error
    config = paddle.inference.Config(str(model / "model.pdmodel"), str(model / "model.pdiparams"))
    config.disable_glog_info()
    predictor = paddle.inference.create_predictor(config)
    [feed], [fetch] = predictor.get_input_names(), predictor.get_output_names()
    unread = 0
    for image in images:
        try:
            line = lines.to_input(lines.load_image(image)[None])
        except lines.LineError as error:
            click.echo(f"Error: {error.message}", err=True)
            unread += 1
            continue
        handle = predictor.get_input_handle(feed)
        handle.reshape(line.shape)
        handle.copy_from_cpu(line)
        predictor.run()
        logits = predictor.get_output_handle(fetch).copy_to_cpu()
        read = ctc.decode(logits[0], characters)
        click.echo(f"{read.confidence:.3f}\t{read.text}\t{image}")
    sys.exit(1 if unread else 0)


if __name__ == "__main__":
    main()
