"""What the built model of text lines promises, and training that goes on from it."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from paddle_training import runtime, weights

runtime.start(0)
import paddle

from chinese_ocr import ctc, initial, lines, network, render, train

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
RECOGNISE = str(Path(os.environ["RECOGNISE"]).absolute())
METADATA = json.loads((MODEL / "metadata.json").read_text())
CHARACTERS = lines.default_characters()
RENDERER = render.Renderer(render.find_fonts(render.default_fonts(), CHARACTERS), CHARACTERS)
HELD_OUT = RENDERER.draw(512, np.random.RandomState(1), held_out=True)

# Every site and every CPU trains these bits. After a change of the network, the renderer or a
# locked version that is meant to change them, take the new ones from
# bazel-bin/python/chinese_ocr/short.
DIGESTS = {
    "model.pdmodel": "sha256:e202a68e3c7d6b6946d770ca31d8106fb23cd08fd26675b43db9e46dbbafdcb9",
    "model.pdiparams": "sha256:537df0c076d060297300d3c84a967e191f55c6e18eeee7085c0c3455a34c6b6c",
    "characters.txt": "sha256:c1a368219bed17ba027b19bc57ecdaae8a8b8168b4de70bbcc09e39449f2188c",
}


def read(model: Path, images: list[NDArray[np.uint8]]) -> list[str]:
    """What an exported model reads of lines."""
    loaded = paddle.jit.load(str(model / "model"))
    loaded.eval()
    characters = lines.read_characters(model / "characters.txt")
    return [line.text for line in train.recognise(loaded, images, characters)]


def test_these_bits_everywhere() -> None:
    assert METADATA["digests"] == DIGESTS


def test_accuracy_on_held_out_lines() -> None:
    accuracies = ctc.accuracies(read(MODEL, HELD_OUT.images), HELD_OUT.texts)
    assert accuracies["characters"] >= 0.85
    assert METADATA["metrics"] == accuracies


def test_samples_are_the_first_held_out_lines() -> None:
    expected = lines.to_input(np.stack(HELD_OUT.images[: train.SAMPLES]))
    assert np.array_equal(np.load(SAMPLES / "image.npy"), expected)
    labels = np.load(SAMPLES / "labels.npy")
    texts = ["".join(CHARACTERS[c - 1] for c in row if c) for row in labels]
    assert texts == HELD_OUT.texts[: train.SAMPLES]


def test_metadata() -> None:
    image, logits = METADATA["inputs"], METADATA["outputs"]
    assert image == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 32, -1]}]
    assert logits == [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, 417]}]
    assert METADATA["settings"]["characters"] == "".join(CHARACTERS)
    assert lines.read_characters(MODEL / "characters.txt") == CHARACTERS


def test_network_is_small() -> None:
    net = network.Recogniser(417)
    assert sum(p.size for p in net.parameters()) < 180_000
    for width in (4, 5, 32, 255, 256, 600):
        assert net(paddle.zeros([1, 1, 32, width])).shape == [1, lines.frames(width), 417]


def test_recognise_reads_images_of_any_size(tmp_path: Path) -> None:
    """The first lines that the model reads right, as photos of twice the size."""
    texts = read(MODEL, HELD_OUT.images[:40])
    right = [i for i, text in enumerate(texts) if text == HELD_OUT.texts[i]]
    files = []
    for i in right[:5]:
        large = Image.fromarray(HELD_OUT.images[i]).resize((512, 64)).convert("RGB")
        large.save(tmp_path / f"{i}.png")
        files.append(str(tmp_path / f"{i}.png"))
    (tmp_path / "no.png").write_text("no image")
    command = [RECOGNISE, f"--model={MODEL.absolute()}", str(tmp_path / "no.png"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [row.split("\t") for row in done.stdout.splitlines()]
    assert [row[2] for row in rows] == files
    texts = [row[1] for row in rows]
    assert ctc.accuracies(texts, [HELD_OUT.texts[i] for i in right[:5]])["characters"] >= 0.8
    assert all(0 < float(row[0]) <= 1 for row in rows)
    assert done.returncode == 1
    assert f"{tmp_path}/no.png: no readable image" in done.stderr
    assert "Traceback" not in done.stderr


def save(folder: Path, drawn: lines.Labelled, style: str) -> Path:
    """As a folder of labelled lines: white on black, of several sizes, in colour."""
    folder.mkdir()
    rows = []
    for i, (image, text) in enumerate(zip(drawn.images, drawn.texts, strict=True)):
        height = 32 + i % 3 * 16
        size = (image.shape[1] * height // 32, height)
        Image.fromarray(255 - image).resize(size).convert("RGB").save(folder / f"{i}.{style}")
        rows.append(f"{i}.{style}\t{text}\n")
    (folder / "rec_gt.txt").write_text("".join(rows), "utf-8")
    return folder


def test_fine_tuning_learns_a_style_that_the_model_cannot_read(tmp_path: Path) -> None:
    own = RENDERER.draw(128, np.random.RandomState(2))
    folder = save(tmp_path / "own", own, "png")
    arguments = [f"--out={tmp_path}/out", f"--init={MODEL}", f"--lines={folder}", "--steps=80"]
    done = CliRunner().invoke(train.main, arguments)
    assert done.exit_code == 0, done.output

    unseen = [np.uint8(255) - image for image in HELD_OUT.images[:100]]
    before, after = (
        ctc.accuracies(read(model, unseen), HELD_OUT.texts[:100])["characters"]
        for model in (MODEL, tmp_path / "out")
    )
    assert before < 0.1
    assert after > before + 0.25
    metadata = json.loads((tmp_path / "out/metadata.json").read_text())
    assert metadata["settings"]["init"] != METADATA["settings"].get("init")
    # It has not forgotten what it could read: half of each batch was rendered lines.
    kept = ctc.accuracies(read(tmp_path / "out", HELD_OUT.images[:100]), HELD_OUT.texts[:100])
    assert kept["characters"] > 0.6


@pytest.fixture(scope="module", name="trained")
def trained_two_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, `out`, and its checkpoints."""
    place = tmp_path_factory.mktemp("trained")
    arguments = [
        "--steps=2",
        "--held-out=1",
        f"--out={place}/out",
        f"--checkpoint={place}/checkpoints",
    ]
    assert CliRunner().invoke(train.main, arguments).exit_code == 0
    return place


def test_a_checkpoint_is_as_good_a_beginning_as_a_model(trained: Path) -> None:
    networks = []
    for path in ("out", "checkpoints", "checkpoints/step-0000000002.checkpoint"):
        with paddle.utils.unique_name.guard():
            networks.append(network.Recogniser(417))
        assert initial.characters(trained / path) == CHARACTERS
        initial.put_into(networks[-1], trained / path, CHARACTERS)
    first, *others = [
        {name: array.tobytes() for name, array in weights.read(trained / "out", net).items()}
        for net in networks
    ]
    assert len(first) == 22
    assert all(other == first for other in others)
    states = [[t.numpy().tobytes() for t in net.state_dict().values()] for net in networks]
    assert states[0] == states[1] == states[2] == list(first.values())


def test_more_characters_keep_what_is_known() -> None:
    wanted = ["龘", *CHARACTERS[5:], "鑫"]
    with paddle.utils.unique_name.guard():
        net = network.Recogniser(1 + len(wanted))
    initial.put_into(net, MODEL, wanted)
    image = paddle.to_tensor(np.load(SAMPLES / "image.npy")[:2])
    old = np.load(SAMPLES / "logits.npy")[:2]
    new = net(image).numpy()
    assert np.allclose(new[..., 0], old[..., 0], atol=1e-4)
    assert np.allclose(new[..., 2:-1], old[..., 6:], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lines={0}"], "rec_gt.txt: No such file"),
        (["--lines={0}", "--init={0}"], "no checkpoint (step-*.checkpoint) is there"),
        (["--characters={0}/c.txt"], "c.txt:1: '一二' is not one character"),
        (["--fonts={0}"], "No font for the characters below"),
        (["--batch-size=1"], "1 is not in the range"),
    ],
)
def test_mistakes_are_told_in_a_sentence(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("一二\n", "utf-8")
    arguments = [f"--out={tmp_path}/out", *(option.format(tmp_path) for option in options)]
    result = CliRunner().invoke(train.main, arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list((tmp_path / "out").glob("*"))
