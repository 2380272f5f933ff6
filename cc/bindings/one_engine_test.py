"""paddle and paddle_engine in one process share one libpaddle.so, whoever comes first."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bazel.paddle.private import isolation

SCRIPT = os.environ["SAME_PROCESS"]
MODULE = "_engine.cpython-311-x86_64-linux-gnu.so"
OCR = {"_ocr.cpython-311-x86_64-linux-gnu.so", "libyaml-cpp.so.0.7"}


def run(*steps: str, **environment: str) -> list[dict[str, Any]]:
    """What the process saw after each of the steps."""
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, SCRIPT, *steps],
        env=os.environ | paths | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module", name="expected")
def of_paddle_alone() -> list[str]:
    """Digests of all outputs of paddle.inference, in a process without paddle_engine."""
    (seen,) = run("paddle")
    with_onednn, without = seen["digests"]
    assert with_onednn != without
    return [with_onednn, without]


@pytest.mark.parametrize(
    "steps",
    [
        ("engine",),
        ("paddle", "engine", "train", "paddle"),
        ("engine", "paddle", "train", "engine"),
        ("both", "train", "paddle", "engine"),
    ],
    ids=" ".join,
)
def test_one_copy_and_the_same_bits_in_any_order(
    steps: tuple[str, ...], expected: list[str]
) -> None:
    seen = run(*steps)
    assert [s["step"] for s in seen] == list(steps)
    for after in seen:
        times = {"train": 0, "both": 2}.get(after["step"], 1)
        assert after["digests"] == expected * times, after["step"]
        names = sorted(Path(path).name for path in after["mapped"])
        assert names == ["libdnnl.so.3", "libiomp5.so", "libmklml_intel.so", "libpaddle.so"]
        assert after["mapped"] == seen[0]["mapped"], "loaded once and never moved"


def test_paddle_is_not_imported_for_the_engine() -> None:
    (seen,) = run("engine")
    assert not seen["paddle imported"]


def test_flags_of_the_environment_still_reach_paddle() -> None:
    """The engine must not take from paddle what it does at its import."""
    code = (
        f"import sys; sys.argv = [{SCRIPT!r}, 'engine']\n"
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "import paddle; print(paddle.get_flags('FLAGS_check_nan_inf'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "FLAGS_check_nan_inf": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "{'FLAGS_check_nan_inf': True}"


@pytest.mark.parametrize("steps", ["engine ocr paddle", "paddle ocr engine"])
def test_no_symbol_crosses(steps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binds every symbol at start and reads the loader's log: of the engine the module uses the API
    only, and the engine uses nothing of the module or of the absl beside it. What reads pictures
    has nothing to do with the engine."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    code, bindings = isolation.run([sys.executable, SCRIPT, *steps.split()])
    assert code == 0
    ours = {
        b
        for b in bindings
        if any(n == MODULE or n.startswith("libabsl") for n in (b.user, b.provider))
    }
    assert sum(b.user == MODULE and b.provider == "libpaddle.so" for b in ours) > 20
    assert isolation.crossings(ours, MODULE) == []
    of_ocr = {b for b in bindings if b.user in OCR}
    assert {b.user for b in of_ocr} == OCR
    assert {b.provider for b in of_ocr}.isdisjoint(isolation.ENGINE)
    assert not {b for b in bindings if b.provider in OCR and b.user in isolation.ENGINE}
