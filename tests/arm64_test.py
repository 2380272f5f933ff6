"""The inference images for arm64, under QEMU of the lock: what they answer beside amd64."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bazel.image.oci.layout import Image
from bazel.image.run import runtime
from cc.server import serving

IMAGES = {
    name: {machine: Path(os.environ[f"{machine}_{name}"]) for machine in ("amd64", "arm64")}
    for name in ("inference", "inference_paddle3")
}
PIR = Path(os.environ["PIR"])
OUTPUT = "fetch_name_0"
# Of the largest output. OpenBLAS adds up in another order than oneDNN.
BOUND = 1e-5


@pytest.mark.parametrize("name", IMAGES)
def test_the_models_are_the_same_layer(name: str) -> None:
    layers = [
        image.layers[[entry["created_by"] for entry in image.config["history"]].index("models")]
        for image in map(Image, IMAGES[name].values())
    ]
    assert layers[0] == layers[1]


@pytest.mark.parametrize("name", IMAGES)
def test_its_answers_are_amd64s_within_a_bound(name: str, tmp_path: Path) -> None:
    with runtime.Container(IMAGES[name]["arm64"], cache=tmp_path) as container:
        container.wait_ready("/v2/health/ready", seconds=800)
        command = [os.environ["CHECK"], "--model=digits", f"--samples={os.environ['SAMPLES']}"]
        command += [f"--url={container.url.removeprefix('http://')}", f"--tolerance={BOUND}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + container.stderr
        print(done.stdout)  # how far they are
        assert '"cpu_engine":"plain"' in container.stdout
        assert "MKLDNN" not in container.stderr
        assert container.stop() == 0


def test_models_of_paddle_3s_own_format(tmp_path: Path) -> None:
    """Paddle 3's wheels for arm64 were seen to crash at their load: PaddlePaddle/Paddle#78744."""
    models = tmp_path / "models"
    for source in PIR.iterdir():
        folder = models / source.name / "1"
        folder.mkdir(parents=True)
        for file in ("model.json", "model.pdiparams"):
            (folder / file).write_bytes((source / file).read_bytes())
    options = [f"--volume={models}:/models:ro"]
    image = IMAGES["inference_paddle3"]["arm64"]
    with runtime.Container(image, cache=tmp_path / "cache", options=options) as container:
        container.wait_ready("/v2/health/ready", seconds=800)
        for source in PIR.iterdir():
            inputs = {
                file.stem.removeprefix("in."): np.load(file) for file in source.glob("in.*.npy")
            }
            expected = np.load(source / f"out.{OUTPUT}.npy")
            answers = serving.infer(container.address(8080), source.name, inputs, [OUTPUT])
            far = np.abs(answers[OUTPUT] - expected).max()
            print(source.name, far)
            assert answers[OUTPUT].shape == expected.shape
            assert far <= BOUND * np.abs(expected).max()
