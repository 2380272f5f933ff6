"""What the built text_cls model promises, and its network, vocabulary and data."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from bazel.model.tests.snippet import snippet
from cc.server import serving
from paddle_training import runtime

runtime.start(0)
import paddle

from text_cls import data, network, train
from text_cls.vocabulary import CLS, PAD, UNKNOWN, Vocabulary, normalise

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
METADATA = json.loads((MODEL / "metadata.json").read_text())
TRAIN, HELD_OUT = data.load()
VOCABULARY = Vocabulary.load(MODEL)

# Every site and every CPU trains these bits. After a change of the network, the data or a locked
# version that is meant to change them, take the new ones from bazel-bin/python/text_cls/text_cls.
DIGESTS = {
    "model.pdmodel": "sha256:f4aa82b0d9f9726cd86aec5a6a97765ed384255e1e5724691580c2f093645988",
    "model.pdiparams": "sha256:e7fee97649a26d3d4f8e50ca34ab9024b9681086ac2926653d1f400cbd964305",
    "classes.txt": "sha256:45ff43802510f9fdc16923bc42cce04f7bd1d0b679c257e0d45608d177d75461",
    "vocabulary.txt": "sha256:7c710c6fe5641ff47e5d7590a814dc7137956c9ff016c04ffc16d10cabcacdd0",
}


GOOD, BAD = "房间很干净,服务员很热情,值得推荐", "太差了,质量很差,千万不要买"


def test_these_bits_everywhere() -> None:
    assert METADATA["digests"] == DIGESTS


@pytest.fixture(scope="module", name="static")
def built_model() -> paddle.nn.Layer:
    model = paddle.jit.load(str(MODEL / "model"))
    model.eval()
    return model


def logits(model: paddle.nn.Layer, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    with paddle.no_grad():
        return np.asarray(model(paddle.to_tensor(ids)).numpy())


def test_beats_the_majority_on_the_held_out_reviews(static: paddle.nn.Layer) -> None:
    right = []
    for first in range(0, len(HELD_OUT.texts), 100):
        rows = slice(first, first + 100)
        outputs = logits(static, VOCABULARY.encode(HELD_OUT.texts[rows]))
        right += list(outputs.argmax(axis=1) == HELD_OUT.labels[rows])
    accuracy, positive = float(np.mean(right)), float(HELD_OUT.labels.mean())
    majority = max(positive, 1 - positive)
    assert accuracy - majority >= 0.2
    metrics = METADATA["metrics"]
    assert metrics["majority"] == round(majority, 6)
    assert metrics["margin"] == pytest.approx(metrics["accuracy"] - majority, abs=2e-6)
    # Padded otherwise than in training: a row in a thousand may be undecided enough to tip.
    assert abs(metrics["accuracy"] - accuracy) <= 1e-3


def test_static_graph_takes_any_length(tmp_path: Path) -> None:
    dynamic = network.TextClassifier(tokens=50, classes=3)
    dynamic.eval()
    inputs = [paddle.static.InputSpec([None, None], "int64", "token_ids")]
    paddle.jit.save(dynamic, str(tmp_path / "model"), input_spec=inputs)
    static = paddle.jit.load(str(tmp_path / "model"))
    static.eval()
    for length in (1, 2, 7, 30, 63, 64, 65, 200):
        ids = np.random.RandomState(length).randint(UNKNOWN, 50, (4, length))
        ids[1, length // 2 :] = PAD
        ids[2] = PAD
        assert np.array_equal(logits(static, ids), logits(dynamic, ids))


def test_padding_changes_nothing(static: paddle.nn.Layer) -> None:
    texts = [text for text in HELD_OUT.texts if len(text) < network.LENGTH][::60]
    lengths = {len(text) for text in texts}
    assert min(lengths) < 15 and max(lengths) > 50 and len(texts) > 15
    together = logits(static, VOCABULARY.encode(texts))
    alone = np.concatenate([logits(static, VOCABULARY.encode([text])) for text in texts])
    assert np.abs(together - alone).max() <= 1e-6 * np.abs(alone).max()
    assert len({row.tobytes() for row in alone}) == len(texts)  # they are told apart at all


def test_only_the_first_characters_are_read(static: paddle.nn.Layer) -> None:
    long = "很" * (network.LENGTH - 1)
    outputs = logits(static, VOCABULARY.encode([long, long + "差", "差" + long[1:]]))
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def test_no_review_is_on_both_sides_or_twice() -> None:
    assert (len(TRAIN.texts), len(HELD_OUT.texts)) == (15398, 1671)
    known = [letters(text) for text in TRAIN.texts]
    new = [letters(text) for text in HELD_OUT.texts]
    assert len({*known, *new}) == len(known) + len(new)
    # Nor is a copy with another end, or with other punctuation.
    assert not {text[:12] for text in known} & {text[:12] for text in new}
    assert not any("宾馆反馈" in text for text in TRAIN.texts + HELD_OUT.texts)


def test_a_batch_is_of_like_lengths() -> None:
    lengths = np.random.RandomState(0).randint(1, 65, 1000)
    taken = list(itertools.islice(train.batches(lengths, 10, seed=1), 96))
    assert all(len(rows) == 10 for rows in taken)
    assert len(set(np.concatenate(taken))) == 960  # none twice before each had its turn
    assert np.mean([np.ptp(lengths[rows]) for rows in taken]) < 8
    again = itertools.islice(train.batches(lengths, 10, seed=1), 96)
    assert np.array_equal(taken, list(again))
    assert not np.array_equal(taken[0], next(train.batches(lengths, 10, seed=2)))


def test_normalise() -> None:
    assert normalise(" Ｔｈｉｎｋｐａｄ　很 好！\n") == "thinkpad很好!"  # noqa: RUF001


def test_vocabulary_of_texts(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(["好好好", "书书", "很很", "罕"], least=2)
    assert vocabulary.tokens == ("[PAD]", "[UNK]", "[CLS]", "好", "书", "很")
    assert vocabulary.encode(["很 好", "罕", ""]).tolist() == [
        [CLS, 5, 3],
        [CLS, UNKNOWN, PAD],
        [CLS, PAD, PAD],
    ]
    assert vocabulary.encode(["好" * 9], length=4).tolist() == [[CLS, 3, 3, 3]]
    assert vocabulary.encode([]).shape == (0, 0)
    vocabulary.save(tmp_path)
    assert Vocabulary.load(tmp_path) == vocabulary


def test_vocabulary_is_of_the_rows_trained_on() -> None:
    assert Vocabulary.of(TRAIN.texts, 5) == VOCABULARY
    assert len(VOCABULARY.tokens) == 2921


def test_samples_are_held_out_reviews_of_many_lengths() -> None:
    ids = np.load(SAMPLES / "token_ids.npy")
    every = VOCABULARY.encode(HELD_OUT.texts, network.LENGTH)
    assert np.array_equal(ids, every[:64])
    labels = np.load(SAMPLES / "labels.npy")
    assert np.array_equal(labels, HELD_OUT.labels[:64])
    assert 20 < labels.sum() < 44
    assert len(set((ids != PAD).sum(axis=1))) > 20


def test_metadata() -> None:
    assert METADATA["inputs"] == [{"name": "token_ids", "datatype": "INT64", "shape": [-1, -1]}]
    assert METADATA["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 2]}]
    assert METADATA["settings"]["steps"] == 400
    assert (MODEL / "classes.txt").read_text() == "negative\npositive\n"


def classify(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [os.environ["CLASSIFY"], *arguments], input=text, capture_output=True, text=True
    )


def test_classify_tells_good_from_bad() -> None:
    told = classify(f"--model={MODEL}", GOOD, BAD)
    assert told.returncode == 0, told.stderr
    lines = [line.split("\t") for line in told.stdout.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [("positive", GOOD), ("negative", BAD)]
    assert all(0.5 <= float(line[1]) <= 1 for line in lines)
    assert classify(f"--model={MODEL}", text=f"{GOOD}\n{BAD}\n").stdout == told.stdout


def test_client_of_the_documentation(tmp_path: Path) -> None:
    program = snippet(Path("docs/text.md").read_text(encoding="utf-8"), "client.py")
    (tmp_path / "models/text_cls").mkdir(parents=True)
    (tmp_path / "models/text_cls/1").symlink_to(MODEL.absolute())
    with serving.serving(f"--model_repository={tmp_path}/models") as server:
        told = subprocess.run(
            [sys.executable, "-c", program, f"http://{server.url}", MODEL, GOOD, BAD],
            capture_output=True,
            text=True,
            check=True,
        )
    lines = [line.split() for line in told.stdout.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [("positive", GOOD), ("negative", BAD)]
    rounded = [f"{line[0]}\t{float(line[1]):.4f}\t{line[2]}\n" for line in lines]
    assert classify(f"--model={MODEL}", GOOD, BAD).stdout == "".join(rounded)


def test_classify_with_another_folder(tmp_path: Path) -> None:
    told = classify(f"--model={tmp_path}", "好")
    assert told.returncode == 1
    assert f"{tmp_path} is no model of text_cls" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--batch-size=20000", "No batch of 20000 from 15398 rows"),
        ("--epochs=0", "0 is not in the range"),
        ("--learning-rate=fast", "'fast' is not a valid float"),
    ],
)
def test_mistaken_options_are_usage_errors(option: str, message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(train.main, [f"--out={tmp_path}/out", option])
    assert result.exit_code == 2
    assert "Usage: " in result.output
    assert message in result.output
