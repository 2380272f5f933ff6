"""//tests:reproduce names the first file that differs between two builds."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests import reproduce


def layer(files: dict[str, bytes], mtime: int = 0) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            tar.addfile(member, io.BytesIO(content))
    raw = bytearray(data.getvalue())
    raw[4:8] = b"\0\0\0\0"  # gzip's own time
    return bytes(raw)


def image(folder: Path, *layers: bytes, config: bytes = b"{}") -> Path:
    """A layout with these layers (OCI image layout specification)."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes) -> dict[str, str]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"digest": f"sha256:{name}"}

    manifest = {"config": blob(config), "layers": [blob(content) for content in layers]}
    index = {"manifests": [blob(json.dumps(manifest).encode())]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def test_equal_images_have_equal_digests(tmp_path: Path) -> None:
    content = layer({"a": b"1"})
    one, two = image(tmp_path / "one", content), image(tmp_path / "two", content)
    assert reproduce.digest(one) == reproduce.digest(two)


def test_the_first_file_that_differs_is_named(tmp_path: Path) -> None:
    base = layer({"etc/passwd": b""})
    one = image(tmp_path / "one", base, layer({"app/a": b"1", "app/b": b"1"}))
    two = image(tmp_path / "two", base, layer({"app/a": b"1", "app/b": b"2"}))
    assert reproduce.digest(one) != reproduce.digest(two)
    assert reproduce.first_difference(one, two) == "layer 1, /app/b"


def test_a_time_is_a_difference(tmp_path: Path) -> None:
    one = image(tmp_path / "one", layer({"a": b"1"}))
    two = image(tmp_path / "two", layer({"a": b"1"}, mtime=1))
    assert reproduce.first_difference(one, two) == "layer 0, /a"


def test_configurations_differ(tmp_path: Path) -> None:
    one = image(tmp_path / "one", layer({"a": b"1"}))
    two = image(tmp_path / "two", layer({"a": b"1"}), config=b'{"os": "linux"}')
    assert reproduce.first_difference(one, two) == "the image's configuration"


def test_models_are_compared_file_by_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, parameters in ((one, b"1"), (two, b"2")):
        folder.mkdir()
        (folder / "model.pdmodel").write_bytes(b"same")
        (folder / "model.pdiparams").write_bytes(parameters)
    assert reproduce.digest(one) != reproduce.digest(two)
    assert reproduce.first_difference(one, two) == "model.pdiparams"
