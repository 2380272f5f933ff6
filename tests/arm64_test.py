"""The inference image for arm64, under QEMU of the lock: what it answers beside amd64."""

import os
import subprocess
from pathlib import Path

from bazel.image.oci.layout import Image
from bazel.image.run import runtime

ARM64, AMD64 = (Path(os.environ[name]) for name in ("ARM64", "AMD64"))
# Of the largest output. OpenBLAS adds up in another order than oneDNN.
BOUND = 1e-5


def test_the_models_are_the_same_layer() -> None:
    layers = [
        image.layers[[entry["created_by"] for entry in image.config["history"]].index("models")]
        for image in (Image(AMD64), Image(ARM64))
    ]
    assert layers[0] == layers[1]


def test_its_answers_are_amd64s_within_a_bound(tmp_path: Path) -> None:
    with runtime.Container(ARM64, cache=tmp_path) as container:
        container.wait_ready("/v2/health/ready", seconds=800)
        command = [os.environ["CHECK"], "--model=digits", f"--samples={os.environ['SAMPLES']}"]
        command += [f"--url={container.url.removeprefix('http://')}", f"--tolerance={BOUND}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + container.stderr
        print(done.stdout)  # how far they are
        assert container.stop() == 0
