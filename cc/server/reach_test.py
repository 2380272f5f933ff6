"""What the server does not call of the libraries inside libpaddle.so, as inference.vex.yaml says.

libpaddle.so exports these libraries, so a call into one goes through the loader, which binds a
function when it is called for the first time and tells so (LD_DEBUG=bindings). Some are bound when
the library is loaded, because a table has their addresses, as many in a run that does nothing:
whether these are called is not seen.
"""

import os
import re
from pathlib import Path

import pytest

from cc.server import serving

SAMPLES, DIGITS = os.environ["SAMPLES"], os.environ["DIGITS"]
_BINDING = re.compile(
    r"binding file \S+ \[\d+\] to \S+/libpaddle\.so \[\d+\]: \w+ symbol `([^']+)'"
)
# Both libraries are written in C, so their functions have no mangled names; xxHash is another one.
_OTHERS = re.compile(r"_Z|XXH32$")


def bound(folder: Path) -> set[str]:
    """The functions of libpaddle.so that the loader bound, in whichever process."""
    found: set[str] = set()
    for log in folder.iterdir():
        found |= set(_BINDING.findall(log.read_text(errors="replace")))
    return found


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for run in ("idle", "busy"):
        (tmp_path / run).mkdir()
    monkeypatch.setenv("LD_DEBUG", "bindings")
    monkeypatch.setenv("LD_DEBUG_OUTPUT", str(tmp_path / "idle/log"))
    return tmp_path


def test_openssl_and_zlib_of_the_engine_are_not_called(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert serving.run("--version").returncode == 0
    repository = tmp_path / "models/digits"
    repository.mkdir(parents=True)
    (repository / "1").symlink_to(Path(DIGITS).absolute())
    monkeypatch.setenv("LD_DEBUG_OUTPUT", str(logs / "busy/log"))
    with serving.serving(f"--model_repository={repository.parent}") as server:
        body = Path(SAMPLES, "request.json").read_bytes()
        status, _, answer = server.call("POST", "/v2/models/digits/infer", body)
        assert status == 200, answer
        assert server.stop() == 0
    called = bound(logs / "busy") - bound(logs / "idle")
    # What reads the model is inside libpaddle.so too: it is called, and so it is told.
    assert any("google8protobuf" in name for name in called)
    assert sorted(name for name in called if not _OTHERS.match(name)) == []
