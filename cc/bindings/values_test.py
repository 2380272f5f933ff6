"""Rows, indices and lengths that do not fit a network are refused, before Paddle meets them.

Its kernels would read and write beside their tensors: most of these values end a process with
SIGSEGV, or are answered with other memory of the process, where nothing checks them.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest
import value_networks
from guarded_cases import GUARDED, NOT_CAUGHT
from value_cases import CAUGHT, NEEDS_NONE, Case
from value_networks import ALL

PROBE = os.environ["PROBE"]


@pytest.fixture(scope="module", name="seen")
def of_all_cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("values")
    # Paddle keeps what it makes of Python's functions at home.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(root)}
    subprocess.run(
        [sys.executable, value_networks.__file__, root],
        env=environment,
        capture_output=True,
        check=True,
    )

    def tried(name: str, case: Case, onednn: bool) -> tuple[str, bool, dict[str, Any], list[float]]:
        inputs = {key: array for key, (array, _) in case.inputs.items()}
        wrong = () if name in NOT_CAUGHT else case.wrong
        return name, onednn, inputs, [*case.right, *wrong]

    values = {
        **{name: tried(name, case, True) for name, case in ALL.items()},
        **{f"{name} plain": tried(name, case, False) for name, case in GUARDED.items()},
    }
    (root / "values").write_bytes(pickle.dumps(values))
    done = subprocess.run(
        [sys.executable, PROBE, root],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


def outcomes(seen: dict[str, dict[str, Any]], name: str) -> dict[str, str]:
    return dict(seen[name]["runs"])


@pytest.mark.parametrize("name", CAUGHT)
def test_what_does_not_fit_is_refused(name: str, seen: dict[str, dict[str, Any]]) -> None:
    came = outcomes(seen, name)
    for value in CAUGHT[name].wrong:
        said = came[str(value)]
        assert said.startswith("ValueError: input ids"), (value, said)
        assert "the model takes" in said


@pytest.mark.parametrize("plain", ["", " plain"])
@pytest.mark.parametrize("name", GUARDED)
def test_what_leads_out_of_a_table_in_the_run_is_refused(
    name: str, plain: str, seen: dict[str, dict[str, Any]]
) -> None:
    """Also without oneDNN. The instance answers as before."""
    came = outcomes(seen, name + plain)
    for value in GUARDED[name].wrong:
        said = came[str(value)]
        if name == "float_clip" and not plain:
            assert said == "answer"  # oneDNN's clip makes a bound of NaN
        elif name == "gather_of_empty":
            assert said == (
                "ValueError: a dimension is 0 in this run, and something leads into it: it is one "
                "of dimension 0 of where_index_0.tmp_0 (operator gather)"
            )
        else:
            assert said.startswith("ValueError: operator "), (value, said)
            assert "is out of range, the model takes" in said
    for right in ("as exported", *GUARDED[name].right):
        assert came[str(right)] == "answer", right


@pytest.mark.parametrize("name", ALL)
def test_what_fits_is_answered(name: str, seen: dict[str, dict[str, Any]]) -> None:
    came = outcomes(seen, name)
    for value in ("as exported", *ALL[name].right):
        assert came[str(value)] == "answer", value


@pytest.mark.parametrize("name", (GUARDED | NOT_CAUGHT | NEEDS_NONE).keys() - {"float_plus"})
def test_without_certainty_there_is_no_range(name: str, seen: dict[str, dict[str, Any]]) -> None:
    assert seen[name]["range"] is None


def test_ranges_that_hold_in_every_run_are_told(seen: dict[str, dict[str, Any]]) -> None:
    ranges = {name: line["range"] for name, line in seen.items()}
    assert ranges["embedding"] == [0, 99]
    assert ranges["plus"] == [-1, 98]
    assert ranges["two_tables"] == [0, 14]
    assert ranges["index_put"] == [-100, 99]
    assert ranges["lstm"] == [0, 7]
    # These depend on another input, or concern a part.
    for name in ("gather_open", "gather_relu", "lstm_open", "lstm_of_words", "slice", "split"):
        assert ranges[name] is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "embedding",
            100_000,
            "input ids: element 0 is 100000, the model takes 0 to 99 "
            "(row of an embedding table of 100 rows)",
        ),
        (
            "slice",
            100,
            "input ids[:, 0:1]: element 0 is 100, the model takes 0 to 99 "
            "(row of an embedding table of 100 rows)",
        ),
        (
            "gather_open",
            100,
            "input ids: element 0 is 100, the model takes 0 to 99 "
            "(index in dimension 0 of input x)",
        ),
        (
            "lstm_open",
            8,
            "input ids: element 0 is 8, the model takes 0 to 7 (length in dimension 1 of input x)",
        ),
        (
            "gather_sum",
            100,
            "operator gather: an element of sum_0.tmp_0 is out of range, the model takes 0 to 99 "
            "(index in a dimension of 100)",
        ),
        (
            "gather_nd_beside",
            100,
            "operator gather_nd: an element of tmp_0[..., 0] is out of range, the model takes 0 to "
            "99 (index in a dimension of 100)",
        ),
        (
            "lstm_maximum_open",
            8,
            "operator rnn: an element of elementwise_max_0 is out of range, the model takes what "
            "leads into dimension 0 of transpose_0.tmp_0, whose size the run decides (length)",
        ),
    ],
)
def test_the_error_says_what_would_fit_and_why(
    name: str, value: int, message: str, seen: dict[str, dict[str, Any]]
) -> None:
    assert outcomes(seen, name)[str(value)] == f"ValueError: {message}"


def test_there_are_many_cases() -> None:
    assert len(CAUGHT) >= 40
