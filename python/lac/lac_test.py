"""The model of LAC, by our tokeniser and engine, and by the package's own code."""
# ruff: noqa: E402, RUF001  # paddle is imported after runtime.start; Chinese punctuation

import importlib.metadata
import importlib.util
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from paddle_training import runtime

runtime.start(0)
import paddle

from cc.server import serving
from lac import analyse
from lac.lexicon import FILES, Lexicon
from lac.sentences import TAGGED

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
METADATA = json.loads((MODEL / "metadata.json").read_text())

# The dictionaries' are those of the files in LAC-2.1.2.tar.gz.
DIGESTS = {
    "model.pdmodel": "sha256:9538a196d536ce522f43f3131ca26e03784b73a6eb9debe29531c9fd6f543f9c",
    "model.pdiparams": "sha256:97947b08d4fb313ccfc07b6ca2c8b838476e5b4257a8b51fd6e9e6916c6775cc",
    "q2b.dic": "sha256:688ecfed0bd3fa898a0b26fd27a838432e0f32600bdf35739de7931ff51187a1",
    "small_seg.dic": "sha256:c346639959479c32d0a0a35fdd938cafea869b97d88e5a97161ffdf824a53d37",
    "tag.dic": "sha256:0e10caa505cd12e6f43630505503ccf24ee081f61a155fcc186041601cfd0bfe",
    "word.dic": "sha256:63e3f4d9ad4a7b5041263e61d3de0a12ca7a67cf4251a6a127c9f47356e6d517",
}

# Harder than the samples: a sentence with two readings, what no dictionary has, runs of letters and
# digits, spaces, one character, a long text.
TEXTS = [
    *TAGGED,
    "工信处女干事每月经过下属科室都要亲口交代24口交换机等技术性器件的安装工作",
    "研究生命的起源",
    "Paddle 2.6.2 支持 C++ 推理\t，version＝２",
    "𠮷野家的㍿と한국어🙂",
    " ",
    "a",
    "．",
    "".join(TAGGED) * 3,
]


@pytest.fixture(scope="module")
def analyser() -> analyse.Analyser:
    return analyse.Analyser(MODEL)


@pytest.fixture(scope="module")
def package() -> Any:
    """LAC's own code on its own files; it knows Paddle's `base` by its old name, `fluid`."""
    sys.modules["paddle.fluid"] = paddle.base
    sys.modules["paddle.fluid.core"] = paddle.base.core
    return importlib.import_module("LAC").LAC(mode="lac")


def shown(words: list[tuple[str, str]]) -> str:
    return " ".join(f"{word}/{tag}" for word, tag in words)


def test_these_bits_everywhere() -> None:
    assert METADATA["digests"] == DIGESTS


def test_weights_are_those_of_the_package() -> None:
    spec = importlib.util.find_spec("LAC")
    assert spec is not None and spec.origin is not None
    files = sorted((Path(spec.origin).parent / "lac_model/model").iterdir())
    weights = b"".join(f.read_bytes() for f in files if f.name != "__model__")
    assert (MODEL / "model.pdiparams").read_bytes() == weights


def test_metadata() -> None:
    words = {"name": "words", "datatype": "INT64", "shape": [-1, 1], "lod_level": 1}
    rows = {"range": [0, 58223]}  # of the table of words
    assert METADATA["inputs"] == [words | rows]
    assert METADATA["outputs"] == [words | {"name": "tags"}]
    assert METADATA["licence"] == "Apache-2.0"
    assert all((MODEL / file).is_file() for file in FILES)
    assert importlib.metadata.version("LAC") == "2.1.2"


@pytest.mark.parametrize("text", TAGGED)
def test_known_sentences(analyser: analyse.Analyser, text: str) -> None:
    assert shown(analyser.analyse([text])[0]) == TAGGED[text]


def test_the_same_in_a_batch(analyser: analyse.Analyser) -> None:
    assert [shown(words) for words in analyser.analyse(list(TAGGED))] == list(TAGGED.values())
    assert analyser.analyse(["", "好", ""]) == [[], [("好", "a")], []]
    assert analyser.analyse([""]) == [[]]


def test_samples_are_these_sentences() -> None:
    lexicon = Lexicon(MODEL)
    pieces, words, lod = lexicon.batch(list(TAGGED))
    assert np.array_equal(np.load(SAMPLES / "words.npy"), words)
    assert np.load(SAMPLES / "words.lod.npy").tolist() == lod
    assert np.load(SAMPLES / "tags.lod.npy").tolist() == lod
    tags = np.load(SAMPLES / "tags.npy")
    assert [shown(s) for s in lexicon.unbatch(pieces, tags, lod)] == list(TAGGED.values())


def test_equal_to_the_package(analyser: analyse.Analyser, package: Any) -> None:
    theirs = package.run(list(TEXTS))
    for text, (words, tags) in zip(TEXTS, theirs, strict=True):
        assert analyser.analyse([text])[0] == list(zip(words, tags, strict=True)), text


def test_pieces_are_equal_to_the_package(package: Any) -> None:
    """On every word of its dictionary between others."""
    lexicon, theirs = Lexicon(MODEL), package.model
    frequent = (MODEL / "small_seg.dic").read_text(encoding="utf-8").splitlines()[::97]
    words = [line.split(" ")[0] for line in frequent]
    assert len(words) > 500
    for one, two in itertools.pairwise(words):
        text = f"{one}{two}的x1{one}"
        numbers, lengths = theirs.dataset.text_to_ids(theirs.segment_tool.fast_cut(text))
        pieces, ours = lexicon.encode(text)
        assert (ours, [len(piece) for piece in pieces]) == (numbers, lengths), text


# The command line ------------------------------------------------------------


def test_sentences_as_arguments_and_as_lines() -> None:
    first, second, *_ = TAGGED
    given = CliRunner().invoke(analyse.main, [f"--model={MODEL}", first, second])
    assert (given.exit_code, given.output) == (0, f"{TAGGED[first]}\n{TAGGED[second]}\n")
    lines = CliRunner().invoke(analyse.main, [f"--model={MODEL}"], input=f"{first}\n\n{second}")
    assert (lines.exit_code, lines.output) == (0, f"{TAGGED[first]}\n\n{TAGGED[second]}\n")


def test_a_folder_without_the_model(tmp_path: Path) -> None:
    result = CliRunner().invoke(analyse.main, [f"--model={tmp_path}", "好"])
    assert result.exit_code == 1
    assert "word.dic" in result.output
    assert "`./bazelw build //python/lac` makes the model" in result.output


# Over HTTP -------------------------------------------------------------------

INFER = "/v2/models/lac/infer"
REQUEST = json.loads((SAMPLES / "request.json").read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    repository = tmp_path_factory.mktemp("repository")
    (repository / "lac").mkdir()
    (repository / "lac/1").symlink_to(MODEL.absolute())
    with serving.serving(f"--model_repository={repository}") as server:
        yield server


def test_served_metadata_tells_of_sequences(server: serving.Server) -> None:
    told = json.loads(server.call("GET", "/v2/models/lac")[2])
    assert told["inputs"] == METADATA["inputs"]
    assert told["outputs"] == METADATA["outputs"]


def test_served_as_json(server: serving.Server) -> None:
    text = next(iter(TAGGED))
    status, _, body = server.call("POST", INFER, json.dumps(REQUEST))
    assert status == 200, body
    (tags,) = json.loads(body)["outputs"]
    lexicon = Lexicon(MODEL)
    pieces, _ = lexicon.encode(text)
    assert (tags["datatype"], tags["shape"]) == ("INT64", [len(pieces), 1])
    assert tags["parameters"] == {"lod": [0, len(pieces)]}
    assert shown(lexicon.decode(pieces, tags["data"])) == TAGGED[text]


def test_served_as_binary(server: serving.Server) -> None:
    inputs = {name: np.load(SAMPLES / f"{name}.npy") for name in ("words", "words.lod")}
    for binary in (True, False):
        got = serving.infer(server.url, "lac", inputs, ["tags"], binary, binary)
        for name in ("tags", "tags.lod"):
            assert np.array_equal(got[name], np.load(SAMPLES / f"{name}.npy")), name


@pytest.mark.parametrize(
    ("lod", "message"),
    [
        (None, "it has 0 levels of offsets (LoD), the model takes 1"),
        ([[0, 1], [0, 5]], "it has 2 levels of offsets"),
        ([], "does not begin with 0"),
        ([1, 5], "does not begin with 0"),
        ([0, 3, 2, 5], "does not ascend: 2 follows 3"),
        ([0, 2, 2, 5], "does not ascend: 2 follows 2"),  # a sequence without rows
        ([0, 4], "ends with 4, the tensor has 5 rows"),
        ([0, 9007199254740993], "ends with 9007199254740993"),
        ("0", '"lod" is no array'),
        ([0, "5"], '"lod" holds something that is no integer'),
        ([[0], 5], '"lod" mixes offsets and lists'),
    ],
)
def test_wrong_offsets_are_refused(server: serving.Server, lod: Any, message: str) -> None:
    words = REQUEST["inputs"][0] | {"shape": [5, 1], "data": [1, 2, 3, 4, 5]}
    words["parameters"] = {} if lod is None else {"lod": lod}
    status, _, body = server.call("POST", INFER, json.dumps({"inputs": [words]}))
    assert status == 400
    error = json.loads(body)["error"]
    assert 'input "words": ' in error
    assert message in error
    assert server.call("POST", INFER, json.dumps(REQUEST))[0] == 200


def test_a_raw_body_is_one_sequence(server: serving.Server) -> None:
    words = np.load(SAMPLES / "words.npy")[: REQUEST["inputs"][0]["shape"][0]]
    status, headers, body = server.call(
        "POST", INFER, words.tobytes(), Inference_Header_Content_Length="0"
    )
    assert status == 200
    length = int(headers["Inference-Header-Content-Length"])
    assert json.loads(body[:length])["outputs"][0]["parameters"]["lod"] == [0, len(words)]
    tags = np.load(SAMPLES / "tags.npy")[: len(words)]
    assert body[length:] == tags.tobytes()
