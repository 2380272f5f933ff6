"""One model, eight ways to run it, the same bits.

See paddle_parity_test in //bazel/model:defs.bzl.
"""
# ruff: noqa: E402  # paddle is imported after runtime.start

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddle_training import runtime

os.environ.pop("TEST_TMPDIR", None)  # docs/engine.md says what a long one does with Paddle 3
runtime.start(0)

from bazel.model.private import ways
from bazel.model.private.ways import Way
from cc.server.serving import Arrays, array_names

MODEL = Path(os.environ["MODEL"])
SAMPLES = Path(os.environ["SAMPLES"])
TOLERANCE = float(os.environ["TOLERANCE"])
METADATA = ways.metadata(MODEL)


def samples(kind: str) -> Arrays:
    """The trainer's held-out "inputs", or what its network answered: "outputs"."""
    return {name: np.load(SAMPLES / f"{name}.npy") for name in array_names(METADATA[kind])}


def first_row(arrays: Arrays) -> Arrays:
    """The first row of each, or the first sequence of rows."""
    first = {}
    for name, array in arrays.items():
        if name.endswith(".lod"):
            first[name] = array[:2]
        else:
            lod = arrays.get(f"{name}.lod")
            first[name] = array[: 1 if lod is None else lod[1]]
    return first


def dynamic_graph(_model: Path, _inputs: Arrays, onednn: bool) -> Arrays:
    """What the trainer's network itself gave for all rows."""
    assert not onednn
    return samples("outputs")


ENGINES: dict[str, Way] = {
    "paddle.inference": ways.paddle_inference,
    "C++ engine": ways.cc_engine,
    "Python module": ways.python_module,
    "server, binary": ways.server_binary,
    "server, gRPC": ways.server_grpc,
}
TENSORS = [*METADATA["inputs"], *METADATA["outputs"]]
if all(t["datatype"] != "FP16" for t in TENSORS):  # JSON has none
    ENGINES["server, JSON"] = ways.server_json
WAYS: dict[str, Way] = {
    "dynamic graph": dynamic_graph,
    "static graph": ways.static_graph,
    **ENGINES,
}
# What was taken is golden as paddle.inference answers, which merges operators: a convolution and
# the normalisation behind it, which a trainer of ours merges in the network itself.
TAKEN = "source" in METADATA
SAME = [way for way in WAYS if not TAKEN or way != "static graph"]

# All ways of a group give the bits of its first; oneDNN or not is what the group is about.
GROUPS: dict[str, tuple[bool, list[str]]] = (
    {"int8": (True, [*ENGINES])}
    if METADATA.get("precision") == "int8"
    else {"without oneDNN": (False, SAME), "with oneDNN": (True, [*ENGINES])}
)


def rows_stand_alone() -> bool:
    """Whether each row has an answer of its own: of boxes in a picture there are any number."""
    if not all(tensor["shape"][0] == -1 for tensor in TENSORS):
        return False
    if any(tensor.get("lod_level") for tensor in TENSORS):
        return True
    return len({len(a) for kind in ("inputs", "outputs") for a in samples(kind).values()}) == 1


# A row alone is a batch too, where the model leaves the number of rows open.
BATCHES = ["all rows"] + ["one row"] * rows_stand_alone()


# (group, batch, whose bits, who must have them)
EQUAL = [
    (group, batch, members[0], way)
    for batch in BATCHES
    for group, members in (
        # The trainer answered all rows at once.
        (group, [m for m in members if batch == "all rows" or m != "dynamic graph"])
        for group, (_, members) in GROUPS.items()
    )
    for way in members[1:]
]


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Iterator[None]:
    yield
    ways.servers.close()


@functools.cache
def run(way: str, onednn: bool, batch: str) -> Arrays:
    """The outputs of one way."""
    inputs = samples("inputs")
    if batch == "one row":
        inputs = first_row(inputs)
    return WAYS[way](MODEL, inputs, onednn)


def assert_same_bits(got: Arrays, expected: Arrays) -> None:
    """Compares outputs byte for byte, and shows the first difference."""
    assert list(got) == list(expected)
    for name, array in expected.items():
        other = got[name]
        assert (other.dtype, other.shape) == (array.dtype, array.shape), name
        if other.tobytes() != array.tobytes():
            as_bytes = np.dtype((np.void, array.itemsize))
            unequal = array.view(as_bytes) != other.view(as_bytes)
            first = tuple(int(i) for i in np.argwhere(unequal)[0])
            pytest.fail(
                f"{name}: {unequal.sum()} of {array.size} elements differ; the first at {first}: "
                f"{other[first]!r} instead of {array[first]!r}"
            )


def assert_close(got: Arrays, expected: Arrays) -> None:
    """Compares outputs within TOLERANCE, and shows the greatest difference."""
    assert list(got) == list(expected)
    for name, array in expected.items():
        bound = TOLERANCE * np.abs(array).max()
        difference = np.abs(got[name] - array)
        if not difference.max() <= bound:  # NaN is not close
            worst = tuple(int(i) for i in np.unravel_index(difference.argmax(), array.shape))
            pytest.fail(
                f"{name}: the greatest difference is at {worst}: {got[name][worst]!r} instead of "
                f"{array[worst]!r}; tolerance {TOLERANCE:g} of the largest output allows {bound:g}"
            )


@pytest.mark.parametrize(("group", "batch", "reference", "way"), EQUAL)
def test_same_bits(group: str, batch: str, reference: str, way: str) -> None:
    onednn, _ = GROUPS[group]
    assert_same_bits(run(way, onednn, batch), run(reference, onednn, batch))


@pytest.mark.parametrize("group", [g for g, (onednn, _) in GROUPS.items() if onednn])
def test_other_kernels_stay_close_to_the_dynamic_graph(group: str) -> None:
    _, members = GROUPS[group]
    assert_close(run(members[0], True, "all rows"), samples("outputs"))


@pytest.mark.skipif(not TAKEN, reason="it has the same bits")
def test_the_graph_as_it_stands_stays_close() -> None:
    assert_close(run("static graph", False, "all rows"), samples("outputs"))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("batch", BATCHES[1:])
def test_a_row_alone_stays_close_to_the_row_in_its_batch(group: str, batch: str) -> None:
    """Close: MKL's SGEMM adds up fewer than eight rows in another order."""
    onednn, members = GROUPS[group]
    whole = run(members[0], onednn, "all rows")
    alone = run("paddle.inference", onednn, batch)
    assert_close(alone, first_row(whole))


def test_a_difference_is_shown() -> None:
    """So that the tests above can fail."""
    expected = {"y": np.ones((2, 3), np.float32)}
    got = {"y": expected["y"].copy()}
    assert_same_bits(got, expected)
    assert_close(got, expected)
    expected["y"][1, 2], got["y"][1, 2] = 0.0, -0.0  # equal as numbers, not as bits
    assert_close(got, expected)
    with pytest.raises(pytest.fail.Exception, match=r"y: 1 of 6 .* first at \(1, 2\)"):
        assert_same_bits(got, expected)
    for wrong in (2 * TOLERANCE, np.nan):
        got["y"][1, 2] = wrong
        with pytest.raises(pytest.fail.Exception, match=r"y: the greatest .* at \(1, 2\)"):
            assert_close(got, expected)
