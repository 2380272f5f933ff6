"""An image with zstd layers is pushed, pulled back and run like any other."""

import subprocess
from pathlib import Path

from bazel.image.oci.layout import Image
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, environment


def test_pushed_pulled_and_run(tmp_path: Path) -> None:
    image = Image(HERE / "renamed")
    kinds = {layer["mediaType"] for layer in image.layers}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    env = environment(tmp_path)
    with runtime.registry(tmp_path / "registry") as port:
        to = f"localhost:{port}/test/zstd"
        push: list[str | Path] = [HERE / "push_zstd_push.sh", "--repository", to, "--verify"]
        subprocess.run(push, env=env, check=True)
        pull: list[str | Path] = [runtime.tool("skopeo"), "--insecure-policy", "copy"]
        pull += ["--src-tls-verify=false", f"docker://{to}@{image.digest}"]
        pulled = tmp_path / "pulled"
        subprocess.run([*pull, f"oci:{pulled}"], env=env, check=True)
    assert Image(pulled).digest == image.digest
    plain = sum(layer_size(image, index) for index in range(len(image.layers)))
    assert image.unpacked_size == plain
    with runtime.Container(pulled, cache=tmp_path / "cache", arguments=["exit", "7"]) as container:
        assert container.wait() == 7, container.stderr


def layer_size(image: Image, index: int) -> int:
    """The size of a layer's archive: a multiple of 10,240 that its entries fill."""
    end = 0
    for member, _ in image.open_layer(index):  # checks digest and diff id
        end = member.offset_data + (member.size + 511) // 512 * 512
    return (end + 1024 + 10_239) // 10_240 * 10_240
