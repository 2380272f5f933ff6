"""A site sees whether its serving gives the golden outputs."""

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cc.server import serving

CHECK, MODEL = str(Path(os.environ["CHECK"]).absolute()), Path(os.environ["MODEL"]).absolute()
SAMPLES = Path(os.environ["SAMPLES"]).absolute()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("models")
    (repository / "mine").mkdir()
    (repository / "mine/1").symlink_to(MODEL)
    with serving.serving(f"--model_repository={repository}") as server:
        yield server.url


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [CHECK, "--model=mine", *arguments]
    env = os.environ | environment
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The golden files, to damage."""
    shutil.copytree(SAMPLES, tmp_path / "samples")
    for path in (tmp_path / "samples", *(tmp_path / "samples").iterdir()):
        path.chmod(0o755)
    return tmp_path / "samples"


def test_close_enough(url: str) -> None:
    done = check(f"--url={url}", "--samples=samples", BUILD_WORKING_DIRECTORY=str(SAMPLES.parent))
    assert done.returncode == 1  # the folder has another name
    assert "samples/SHA256SUMS" in done.stderr
    name = f"--samples={SAMPLES.name}"
    done = check(f"--url={url}", name, BUILD_WORKING_DIRECTORY=str(SAMPLES.parent))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("logits: ")
    assert check(f"--url={url}", f"--samples={SAMPLES}", "--tolerance=0").returncode == (
        0 if "equal bits" in done.stdout else 1
    )


def test_another_answer(url: str, copy: Path) -> None:
    logits = np.load(copy / "logits.npy")
    logits[3, 1] += 0.01 * np.abs(logits).max()
    np.save(copy / "logits.npy", logits)
    done = check(f"--url={url}", f"--samples={copy}")
    assert done.returncode == 1
    assert "logits.npy is not what SHA256SUMS says" in done.stderr
    digests = {
        n: hashlib.sha256((copy / n).read_bytes()).hexdigest() for n in ("logits.npy", "x.npy")
    }
    (copy / "SHA256SUMS").write_text("".join(f"{d}  {n}\n" for n, d in digests.items()))
    done = check(f"--url={url}", f"--samples={copy}")
    assert done.returncode == 1
    assert "differ by 0.0" in done.stdout


def test_no_answer(url: str) -> None:
    done = check(f"--url={url}", f"--samples={SAMPLES}", "--model=other")
    assert done.returncode == 1
    assert f'{url} says: unknown model "other"' in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = check(f"--url=127.0.0.1:{port}", f"--samples={SAMPLES}")
    assert done.returncode == 1
    assert f"no server answers at 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
