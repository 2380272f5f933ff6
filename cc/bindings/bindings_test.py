"""paddle_engine as its users see it, on the digits model."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import paddle_engine
import pytest
from numpy.typing import NDArray
from paddle_engine import Engine, EngineError, LoDTensor

MODEL = Path(os.environ["MODEL"])
X: NDArray[np.float32] = np.load(Path(os.environ["SAMPLES"]) / "x.npy")


@pytest.fixture(scope="module", name="engine")
def loaded() -> Engine:
    return Engine(MODEL)


def test_says_what_it_takes_and_gives(engine: Engine) -> None:
    (x,) = engine.inputs
    assert (x.name, x.dtype, x.shape) == ("x", np.dtype("float32"), (-1, 1, 8, 8))
    assert repr(x) == "TensorSpec(name='x', dtype=dtype('float32'), shape=(-1, 1, 8, 8))"
    (logits,) = engine.outputs
    assert (logits.name, logits.dtype, logits.shape) == ("logits", np.dtype("float32"), (-1, 10))


def test_paths_as_text_and_as_path_objects() -> None:
    for path in (MODEL, str(MODEL)):
        assert Engine(path).inputs[0].name == "x"


def test_each_sample_alone_and_in_batches(engine: Engine) -> None:
    logits = engine.run({"x": X})["logits"]
    labels = np.load(Path(os.environ["SAMPLES"]) / "labels.npy")
    assert (logits.argmax(axis=1) == labels).mean() >= 0.97
    for i in range(0, len(X), 50):
        alone = engine.run({"x": X[i : i + 1]})["logits"]
        assert alone.shape == (1, 10)
        assert np.allclose(alone[0], logits[i], rtol=1e-4, atol=1e-4)


def test_outputs_belong_to_the_caller() -> None:
    engine = Engine(MODEL)
    first = engine.run({"x": X})["logits"]
    assert type(first.base).__name__ == "PyCapsule"
    assert not first.flags.owndata
    assert first.flags.c_contiguous and first.flags.aligned and first.flags.writeable
    copy = first.copy()
    others = [engine.run({"x": X[::-1]})["logits"] for _ in range(3)]
    addresses = {array.__array_interface__["data"][0] for array in [first, *others]}
    assert len(addresses) == 4
    del engine, others
    assert first.tobytes() == copy.tobytes()
    view = first[3:5]
    del first
    view += 1
    assert np.array_equal(view, copy[3:5] + 1)


def test_small_outputs_are_aligned(engine: Engine) -> None:
    """Bytes that fit into a std::string itself."""
    for _ in range(10):
        assert engine.run({"x": X[:1]})["logits"].flags.aligned


def traced_peak(engine: Engine, x: NDArray[Any]) -> int:
    """The most bytes that numpy allocated while the model ran."""
    tracemalloc.start()
    engine.run({"x": x})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_inputs_in_order_are_not_copied(engine: Engine) -> None:
    x = np.tile(X, (20, 1, 1, 1))
    assert traced_peak(engine, x) < x.nbytes / 10
    x.flags.writeable = False
    assert traced_peak(engine, x) < x.nbytes / 10


def test_inputs_laid_out_in_any_way(engine: Engine) -> None:
    expected = engine.run({"x": X})["logits"].tobytes()
    wide = np.zeros((*X.shape[:3], 16), np.float32)
    wide[..., ::2] = X
    backwards = X[::-1].copy()[::-1]
    unaligned = np.frombuffer(b"?" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    for x in (wide[..., ::2], backwards, np.asfortranarray(X), unaligned):
        assert engine.run({"x": x})["logits"].tobytes() == expected
    assert traced_peak(engine, backwards) >= X.nbytes


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input x is missing"),
        ({"y": X}, "no input y; its inputs are: x"),
        ({"x": X, "y": X}, "no input y"),
        ({"x": X.astype(np.float64)}, "its type is FP64, the model takes FP32"),
        ({"x": X.astype(bool)}, "its type is BOOL"),
        ({"x": X.astype(np.float16)}, "its type is FP16"),
        ({"x": X[0]}, "has 3 dimensions"),
        ({"x": np.zeros((), np.float32)}, "has 0 dimensions"),
        ({"x": X[:, :, :4]}, "the model takes [-1, 1, 8, 8]"),
        ({"x": X[:0]}, "any number from 1"),
        ({"x": X.astype(">f4")}, "no model takes arrays of dtype('>f4')"),
        ({"x": X.astype(np.complex64)}, "no model takes arrays of dtype('complex64')"),
        ({"x": X.astype(np.int16)}, "its type is INT16, the model takes FP32"),
        ({"x": X.astype(object)}, "no model takes arrays of dtype('O')"),
    ],
)
def test_wrong_inputs(engine: Engine, inputs: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        engine.run(inputs)
    assert message in str(caught.value)
    assert engine.run({"x": X[:1]})["logits"].shape == (1, 10)


def test_wrong_types(engine: Engine) -> None:
    with pytest.raises(TypeError, match=r"x: a numpy\.ndarray or LoDTensor is needed, not list"):
        engine.run({"x": X.tolist()})
    for wrong in ([X], None):
        with pytest.raises(TypeError):
            engine.run(wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        engine.run({1: X})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        Engine(7)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sequences() -> Engine:
    """A model over sequences of words (LoD): //python/lac."""
    return Engine(os.environ["LAC"])


def lac(name: str) -> NDArray[np.int64]:
    loaded: NDArray[np.int64] = np.load(Path(os.environ["LAC_SAMPLES"]) / f"{name}.npy")
    return loaded


def test_sequences_of_unequal_length(sequences: Engine) -> None:
    (words,), (tags,) = sequences.inputs, sequences.outputs
    assert (words.lod_level, tags.lod_level) == (1, 1)
    assert (words.range, tags.range) == ((0, 58223), None)
    assert repr(words) == (
        "TensorSpec(name='words', dtype=dtype('int64'), shape=(-1, 1), lod_level=1, "
        "range=(0, 58223))"
    )
    lod = lac("words.lod").tolist()
    for form in ([lod], (tuple(lod),), [lac("words.lod")], lac("words.lod").reshape(1, -1)):
        given = LoDTensor(lac("words"), form)  # type: ignore[arg-type]
        assert given.lod == (tuple(lod),)
        got = sequences.run({"words": given})["tags"]
        assert isinstance(got, LoDTensor)
        assert got.lod == given.lod
        assert np.array_equal(got.data, lac("tags"))
    assert repr(given) == f"LoDTensor({given.data!r}, lod={given.lod!r})"


def test_as_many_rows_in_another_number_of_sequences(sequences: Engine) -> None:
    """Of one longest length: Paddle's cache would take both for one shape."""
    words = np.arange(1, 61, dtype=np.int64).reshape(60, 1)
    few = [list(range(0, 61, 10))]
    many = [[0, 10, *range(11, 61)]]
    for lod in (few, many, few, many):
        got = sequences.run({"words": LoDTensor(words, lod)})["tags"]
        alone = Engine(os.environ["LAC"]).run({"words": LoDTensor(words, lod)})["tags"]
        assert isinstance(got, LoDTensor) and isinstance(alone, LoDTensor)
        assert np.array_equal(got.data, alone.data)


def test_sequences_are_not_copied(sequences: Engine) -> None:
    words = np.ones((100_000, 1), np.int64)
    given = LoDTensor(words, [range(0, len(words) + 1, 10)])
    assert given.data is words
    tracemalloc.start()
    got = sequences.run({"words": given})["tags"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(got, LoDTensor)
    # The offsets as Python's numbers; the words would be 800 KB, and as much their tags.
    assert peak < words.nbytes / 10
    assert type(got.data.base).__name__ == "PyCapsule"


@pytest.mark.parametrize(
    ("lod", "message"),
    [
        ([], "input words: it has 0 levels of offsets"),
        ([[0, 3], [0, 1, 5]], "it has 2 levels of offsets"),
        ([[1, 5]], "level 0 of its offsets (LoD) does not begin with 0"),
        ([[0, 3, 3, 5]], "does not ascend: 3 follows 3"),
        ([[0, 6]], "ends with 6, the tensor has 5 rows"),
    ],
)
def test_wrong_offsets(sequences: Engine, lod: list[list[int]], message: str) -> None:
    words = np.ones((5, 1), np.int64)
    with pytest.raises(ValueError) as caught:
        sequences.run({"words": LoDTensor(words, lod)})
    assert message in str(caught.value)
    with pytest.raises(ValueError, match="words: it has 0 levels of offsets"):
        sequences.run({"words": words})


def test_offsets_for_a_model_that_takes_none(engine: Engine) -> None:
    assert engine.inputs[0].lod_level == 0
    with pytest.raises(ValueError, match="input x: it has offsets of sequences"):
        engine.run({"x": LoDTensor(X, [[0, len(X)]])})
    for wrong in ([0, 5], [["a"]], [[0.5]], None, [[-(2**63) - 1]]):
        with pytest.raises(TypeError):
            LoDTensor(X, wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        LoDTensor([1, 2], [[0, 2]])  # type: ignore[arg-type]


def test_errors_of_loading(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pdmodel"):
        Engine(tmp_path)
    with pytest.raises(ValueError, match="threads is 0"):
        Engine(MODEL, threads=0)
    for name in ("model.pdmodel", "model.pdiparams"):
        (tmp_path / name).write_bytes((MODEL / name).read_bytes())
    with (tmp_path / "model.pdiparams").open("r+b") as parameters:
        parameters.truncate(1000)
    with pytest.raises(EngineError, match=r"model\.pdiparams"):
        Engine(tmp_path)
    assert issubclass(EngineError, RuntimeError)
    assert f"{EngineError.__module__}.{EngineError.__name__}" == "paddle_engine.EngineError"


def in_threads(engines: list[Engine]) -> list[int]:
    """Runs each engine 20 times in a thread of its own; how many of them gave wrong bits."""
    expected = [engines[0].run({"x": X[i:]})["logits"].tobytes() for i in range(len(engines))]
    wrong = [0] * len(engines)

    def work(i: int) -> None:
        for _ in range(20):
            wrong[i] += engines[i].run({"x": X[i:]})["logits"].tobytes() != expected[i]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def test_clones_run_at_the_same_time() -> None:
    first = Engine(MODEL)
    clones = [first.clone() for _ in range(4)]
    del first
    assert in_threads(clones) == [0] * 4


def test_threads_that_share_an_instance_wait_for_each_other() -> None:
    assert in_threads([Engine(MODEL)] * 4) == [0] * 4


def test_other_threads_of_python_go_on_meanwhile(engine: Engine) -> None:
    x = np.tile(X, (200, 1, 1, 1))
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    engine.run({"x": x})
    end = time.monotonic()
    stop.set()
    thread.join()
    # The outer tenths may belong to Python's side of the call.
    margin = (end - start) / 10
    during = sum(start + margin < t < end - margin for t in ticks)
    assert during >= 5, f"{during} ticks in {end - start:.3f} s"


def test_fits_the_installed_paddle() -> None:
    from importlib.metadata import version

    assert version("paddlepaddle") == paddle_engine.PADDLE_VERSION


def test_without_paddlepaddle() -> None:
    package = str(Path(paddle_engine.__file__).parent.parent)
    elsewhere = [p for p in sys.path if "paddlepaddle" not in p and p != package]
    done = subprocess.run(
        [sys.executable, "-c", "import paddle_engine"],
        env={"PYTHONPATH": os.pathsep.join([package, *elsewhere])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModuleNotFoundError: paddle_engine needs the libpaddle.so" in done.stderr


# What pybind11 adds to its classes.
NOT_IN_STUBS = r"""
paddle_engine._engine.(Engine|LoDTensor|TensorSpec)  # the metaclass
paddle_engine._engine.(Engine|LoDTensor|TensorSpec).__pybind11_.*
paddle_engine._engine.TensorSpec.__init__  # cannot be called
paddle_engine._ocr.(Pipeline|Settings)
paddle_engine._ocr.(Pipeline|Settings).__pybind11_.*
"""


def test_stubs_match_the_module(tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(NOT_IN_STUBS)
    package = str(Path(paddle_engine.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--allowlist=allowed", "paddle_engine"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MYPYPATH": package},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
