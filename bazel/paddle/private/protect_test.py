"""A protected library finds its own functions, where it else found those that were there before."""

import subprocess
import sys
from pathlib import Path

import pytest

from bazel.paddle.private import protect

FIRST, SECOND = (Path(__file__).with_name(f"libprotect_probe_{n}.so") for n in (1, 2))
ASK = """
import ctypes, sys
first, second = (ctypes.CDLL(path, ctypes.RTLD_GLOBAL) for path in sys.argv[1:])
print(second.Ask(), second.Answer())
"""


def asked(library: Path) -> str:
    words = [sys.executable, "-c", ASK, str(FIRST.absolute()), str(library.absolute())]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_it_answers_by_its_own_function(tmp_path: Path) -> None:
    assert asked(SECOND) == "1 2"
    out = tmp_path / "libprotected.so"
    assert protect.rewrite(SECOND, out, "Answer") == 1
    assert asked(out) == "2 2"
    assert sum(a != b for a, b in zip(SECOND.read_bytes(), out.read_bytes(), strict=True)) == 1


def test_a_library_without_such_a_function_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["protect", str(SECOND), str(tmp_path / "out"), "Nothing"])
    with pytest.raises(SystemExit, match=r"libprotect_probe_2\.so has no Nothing of its own"):
        protect.main()
