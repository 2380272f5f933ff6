"""What a push says of security updates, from what the image and this checkout know."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bazel.image.attest import security
from bazel.image.oci.layout import Image

LOCK = {
    "date": "2026-11-26",
    "packages": [
        {"name": "libssl3", "version": "3.0.22-1~deb12u2"},
        {"name": "libssl3", "version": "3.0.22-1~deb12u2"},  # of another machine
        {"name": "tzdata", "version": "2026f-0+deb12u1"},
        {"name": "elsewhere", "version": "1"},
    ],
}


def image(folder: Path, label: str | None) -> Image:
    """An image without layers that has the label."""
    config = {"config": {"Labels": {security.LABEL: label} if label else {}}, "rootfs": {}}
    data = json.dumps(config).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    manifest = {"config": {"digest": digest}, "layers": []}
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    (blobs / digest.partition(":")[2]).write_bytes(data)
    body = json.dumps(manifest).encode()
    top = hashlib.sha256(body).hexdigest()
    (blobs / top).write_bytes(body)
    index = {"manifests": [{"digest": f"sha256:{top}", "mediaType": "x"}]}
    (folder / "index.json").write_text(json.dumps(index))
    return Image(folder)


def bill(**versions: str) -> dict[str, Any]:
    """SPDX of Debian packages, and of a wheel that has the name of one."""
    return {
        "packages": [
            {
                "name": name,
                "versionInfo": version,
                "externalRefs": [{"referenceLocator": f"pkg:deb/debian/{name}@{version}"}],
            }
            for name, version in versions.items()
        ]
        + [
            {
                "name": "elsewhere",
                "versionInfo": "0",
                "externalRefs": [{"referenceLocator": "pkg:pypi/elsewhere@0"}],
            },
            {"name": "image", "versionInfo": "sha256:0"},
        ]
    }


def test_what_is_pending_is_counted_and_the_command_that_takes_it_told(tmp_path: Path) -> None:
    old = bill(libssl3="3.0.20-1~deb12u2", tzdata="2026b-0+deb12u1", dash="1")
    assert security.summary(image(tmp_path, "base"), old, LOCK, "//images:x_push") == (
        "without updates; 2 pending by security_lock.json of 2026-11-26, which are taken by "
        "`./bazelw run --config=patched //images:x_push`"
    )


def test_a_patched_image_says_of_which_day_it_is(tmp_path: Path) -> None:
    new = bill(libssl3="3.0.22-1~deb12u2", tzdata="2026f-0+deb12u1")
    assert security.summary(image(tmp_path, "2026-11-26"), new, LOCK, "//images:x_push") == (
        "with the updates of 2026-11-26; none is pending by security_lock.json of 2026-11-26"
    )


@pytest.mark.parametrize("label", ["base", None])
def test_an_image_without_any_of_the_packages(tmp_path: Path, label: str | None) -> None:
    line = security.summary(image(tmp_path, label), bill(dash="1"), LOCK, "//images:x_push")
    assert line == "without updates; none is pending by security_lock.json of 2026-11-26"
