"""The images together: what they share, what an edit pushes, that they train as a build does."""

import hashlib
import json
import os
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import pytest

from bazel.image.oci.layout import Image
from bazel.image.report import facts
from bazel.image.run import runtime
from bazel.platforms.table import DIST_PACKAGES

IMAGES = {name: Image(Path("images", name)) for name in os.environ["IMAGES"].split()}
PYTHON = [name for name in IMAGES if name != "inference"]
TRAINER = Path(os.environ["TRAINER"]).absolute()


def layers(name: str) -> dict[str, tuple[str, int]]:
    """History -> digest and compressed size, from the lowest."""
    image = IMAGES[name]
    found = facts.layers(image.manifest, image.config)
    return {layer.history: (layer.digest, layer.compressed) for layer in found}


@cache
def paths(digest: str) -> frozenset[str]:
    image = next(image for image in IMAGES.values() if image.blob(digest).exists())
    with tarfile.open(image.blob(digest)) as archive:
        return frozenset(member.name for member in archive if member.isreg())


def pushed_after_an_edit(name: str, path: str) -> float:
    """The share of an image that a push transfers when one file has changed."""
    changed = [size for digest, size in layers(name).values() if path in paths(digest)]
    assert len(changed) == 1, f"{path} is in {len(changed)} layers"
    image = IMAGES[name]
    config = int(image.manifest["config"]["size"])
    return (changed[0] + config + image.blob(image.digest).stat().st_size) / image.compressed_size


def test_all_images_lie_on_the_same_layers() -> None:
    """In the same order, from the lowest: then they are stored once, and not only pulled once."""
    stacks = [list(layers(name).items()) for name in IMAGES]
    for shared in zip(*(stack[:3] for stack in stacks), strict=True):
        assert len(set(shared)) == 1
    assert [title for title, _ in stacks[0][:3]] == ["base files", "C library", "Paddle engine"]


@pytest.mark.parametrize(
    ("base", "count", "others"), [("engine", 3, set()), ("python", 10, {"inference"})]
)
def test_images_say_what_they_lie_on(base: str, count: int, others: set[str]) -> None:
    """By the chain id (the image specification's config.md) of their lowest layers."""
    told = {name: image.manifest["annotations"] for name, image in IMAGES.items()}
    found = {name: told[name].get(f"paddle_images.layers.{base}") for name in IMAGES}
    assert {name for name, chain in found.items() if not chain} == others
    chain = ""
    for diff_id in IMAGES["train"].config["rootfs"]["diff_ids"][:count]:
        both = f"{chain} {diff_id}".encode()
        chain = f"sha256:{hashlib.sha256(both).hexdigest()}" if chain else diff_id
    assert {chain} == {found[name] for name in IMAGES.keys() - others}


def test_images_with_python_share_eight_tenths_of_the_smallest() -> None:
    stacks = [list(layers(name).values()) for name in PYTHON]
    common = []
    for shared in zip(*stacks, strict=False):
        if len(set(shared)) > 1:
            break
        common.append(shared[0])
    smallest = min(IMAGES[name].compressed_size for name in PYTHON)
    assert sum(size for _, size in common) > 0.8 * smallest


def test_a_layer_is_the_same_bytes_wherever_its_name_is_the_same() -> None:
    digests: dict[str, set[str]] = {}
    for name in PYTHON:
        for title, (digest, _) in layers(name).items():
            digests.setdefault(title, set()).add(digest)
    differ = {title for title, found in digests.items() if len(found) > 1}
    assert differ <= {"program"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("inference", "app/bin/server"),
        ("inference", "models/digits/1/model.pdiparams"),
        ("train_core", "app/digits/train.py"),
        ("train_core", f"{DIST_PACKAGES}/click/core.py"),
        ("train_core", f"{DIST_PACKAGES}/google/protobuf/message.py"),
        ("slim", "app/slim/quantize.py"),
        ("slim", f"{DIST_PACKAGES}/paddleslim/quant/quanter.py"),
        ("train", "app/digits/train.py"),
        ("train", f"{DIST_PACKAGES}/tornado/web.py"),
        ("train", f"{DIST_PACKAGES}/ipykernel/ipkernel.py"),
        ("train", f"{DIST_PACKAGES}/jupyterlab/labapp.py"),
    ],
)
def test_an_edit_is_a_small_push(name: str, path: str) -> None:
    assert pushed_after_an_edit(name, path) <= 0.05


def test_an_image_trains_the_bits_of_a_build(tmp_path: Path) -> None:
    steps = ["--steps=20", "--log-every=20"]
    subprocess.run([TRAINER, *steps, f"--out={tmp_path}/build"], check=True)
    models = tmp_path / "image"
    models.mkdir()
    models.chmod(0o777)
    with runtime.Container(
        Path("images/train_core"),
        cache=tmp_path / "cache",
        arguments=["digits", *steps],
        options=["--volume", f"{models}:/models"],
    ) as container:
        assert container.wait(120) == 0, container.stderr
    ours, theirs = tmp_path / "build", models / "digits/1"
    for file in ("model.pdmodel", "model.pdiparams"):
        assert (theirs / file).read_bytes() == (ours / file).read_bytes()
    digests = [json.loads((d / "metadata.json").read_text())["digests"] for d in (ours, theirs)]
    assert digests[0] == digests[1]
