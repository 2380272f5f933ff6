"""Trains a recogniser of Chinese text lines, on lines rendered from fonts, and exports it.

With --init and --lines it goes on from a trained model, on labelled line images of one's own. It
takes 3000 steps, and 300 with --lines.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from chinese_ocr import ctc, lines, render
from paddle_training import distributed, paths, training

if TYPE_CHECKING:  # paddle may be imported only after runtime.start
    import paddle

STEPS, FINE_TUNING_STEPS = 3000, 300
SAMPLES = 32  # held-out lines that --samples writes
_HELD_OUT_SEED = 1  # no option: accuracies and samples of different runs stay comparable
_ALIGNED = 0.5  # share of the steps in which frames are told their characters; see docs/ocr.md
_WARMUP = 60  # steps


@training.program
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(2))
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="[default: 0.02, with --lines 0.01]",
)
@click.option(
    "--held-out",
    default=512,
    show_default=True,
    type=click.IntRange(1),
    help="Rendered lines that accuracies are measured on.",
)
@click.option(
    "--fonts",
    default=render.default_fonts,
    show_default="Debian's Chinese fonts",
    type=paths.UserPath(exists=True, file_okay=False),
    help="Folder of the fonts to render with: every .otf, .ttf, .ttc below it.",
)
@click.option(
    "--characters",
    "characters_file",
    type=paths.UserPath(exists=True, dir_okay=False),
    help="File with the characters to know, one a line.  [default: those of --init, or 400 "
    "frequent ones, digits and punctuation]",
)
@click.option(
    "--init",
    type=paths.UserPath(exists=True),
    help="Begin with the parameters of a model's folder, of a checkpoint, or of the newest one in "
    "a folder.",
)
@click.option(
    "--lines",
    "folder",
    type=paths.UserPath(exists=True),
    help="Folder of labelled line images with rec_gt.txt (FILE<TAB>TEXT a line), or such a file: "
    "half of every batch, and what accuracies are measured on.",
)
def main(
    run: training.Run,
    batch_size: int,
    learning_rate: float | None,
    held_out: int,
    fonts: Path,
    characters_file: Path | None,
    init: Path | None,
    folder: Path | None,
) -> None:
    """Trains, measures, exports; its help text is this file's."""
    import paddle

    from chinese_ocr import initial, network
    from paddle_training import export

    if characters_file:
        characters = lines.read_characters(characters_file)
    else:
        characters = initial.characters(init) if init else lines.default_characters()
    own = lines.load_labelled(folder, characters) if folder else None
    found = render.find_fonts(fonts, characters)
    renderer = render.Renderer(found, characters)

    rendered = renderer.draw(held_out, np.random.RandomState(_HELD_OUT_SEED), held_out=True)
    train, measured = own.split() if own else (None, rendered)
    with paddle.utils.unique_name.guard():  # so that --init finds the parameters by their names
        net = network.Recogniser(1 + len(characters))
    begun = initial.put_into(net, init, characters) if init else None
    steps = run.steps or (FINE_TUNING_STEPS if own else STEPS)
    rate = learning_rate or (0.01 if own else 0.02)
    optimizer = paddle.optimizer.Lamb(
        training.warmup_cosine(rate, min(_WARMUP, 1 + steps // 4), steps),
        parameters=net.parameters(),
    )
    aligned = 0 if init else math.ceil(_ALIGNED * steps)
    part = distributed.part(batch_size)

    def loss(step: int) -> paddle.Tensor:
        numbers = np.random.RandomState([run.seed, step, *distributed.place()])
        if step <= aligned:
            drawn = renderer.draw(part, numbers)
            logits = net(to_tensor(drawn.images))
            return paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(drawn.classes))
        own_rows = part // 2 if train else 0
        batch: lines.Labelled = renderer.draw(part - own_rows, numbers)
        if train:
            batch += train.take(numbers.randint(len(train.texts), size=own_rows))
        return ctc_loss(net(to_tensor(batch.images)), batch.texts, characters)

    data = rendered + own if own else rendered
    settings = {
        "seed": run.seed,
        "batch_size": batch_size,
        "learning_rate": rate,
        "characters": "".join(characters),
        # Lines of other fonts, or of another renderer, are others.
        "data": training.digest(*data.images, lines.to_classes(data.texts, characters)),
    } | ({"init": begun} if begun else {})
    training.fit(net, optimizer, loss, itertools.count(1), steps, run, settings)

    read = [line.text for line in recognise(net, measured.images, characters)]
    accuracies = ctc.accuracies(read, measured.texts)
    click.echo(
        f"characters {accuracies['characters']:.4f}, lines {accuracies['lines']:.4f} right on "
        f"{len(read)} held-out lines",
        err=True,
    )
    run.records.record(steps, **accuracies)
    (run.out / lines.CHARACTERS).write_text("".join(f"{c}\n" for c in characters), "utf-8")
    export.save(
        net,
        run.out,
        name="chinese_ocr",
        inputs=[paddle.static.InputSpec([None, 1, lines.HEIGHT, None], "float32", "image")],
        outputs=["logits"],
        metrics=accuracies,
        settings={"steps": steps, **settings},
        description="Reads one line of printed Chinese text. Logits [N, W / 4, classes] are for "
        f"greedy CTC: class 0 is the blank, class i is line i of {lines.CHARACTERS}.",
        data={
            "description": "random text, rendered on the fly from the fonts "
            f"{', '.join(font.name for font in found)}"
            + (f"; {len(own.texts)} labelled line images" if own else ""),
            "licence": "that of the fonts",
        },
    )
    if run.samples:
        image = to_tensor(measured.images[:SAMPLES])
        export.save_samples(
            run.samples,
            {"image": image.numpy()},
            {"logits": net(image).numpy()},
            labels=lines.to_classes(measured.texts[:SAMPLES], characters),
        )


def to_tensor(images: list[NDArray[np.uint8]]) -> paddle.Tensor:
    """Lines of one or several widths as the network's input."""
    import paddle

    return paddle.to_tensor(lines.to_input(lines.padded(images)))


def ctc_loss(logits: paddle.Tensor, texts: list[str], characters: list[str]) -> paddle.Tensor:
    """CTC's, of logits [N, frames, classes]."""
    import paddle

    rows, frames, _ = logits.shape
    return paddle.nn.functional.ctc_loss(
        paddle.transpose(logits, [1, 0, 2]),
        paddle.to_tensor(lines.to_classes(texts, characters).astype(np.int32)),
        paddle.full([rows], frames, "int64"),
        paddle.to_tensor([len(text) for text in texts], "int64"),
        blank=lines.BLANK,
    )


def recognise(
    net: paddle.nn.Layer, images: list[NDArray[np.uint8]], characters: list[str]
) -> list[ctc.Line]:
    """Reads each line by itself, as a client would."""
    import paddle

    with paddle.no_grad():
        return [ctc.decode(net(to_tensor([image])).numpy()[0], characters) for image in images]


if __name__ == "__main__":
    main()
