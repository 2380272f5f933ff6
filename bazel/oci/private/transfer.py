"""Moves images out of layouts: what oci_push and oci_load run.

transfer push    --layout DIR ...   pushes with skopeo
transfer load    --layout DIR ...   hands a tarball to docker, podman or nerdctl
transfer tarball --layout DIR ...   writes that tarball to a file
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from bazel.oci.layout import (
    OCI_INDEX,
    Json,
    LayoutError,
    blob_path,
    dump,
    read_blob,
    read_manifest_descriptor,
)
from bazel.oci.logins import LoginError
from bazel.oci.private.push import push
from bazel.oci.processes import exit_on_signals, running
from bazel.oci.skopeo import complaint

# The time of every entry of a tarball, that of upstream's.
TARBALL_TIME = 1672560000
LOADERS = ("docker", "podman", "nerdctl")


# Load


def add_file(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o755, TARBALL_TIME
    tar.addfile(info, content)


def add_json(tar: tarfile.TarFile, name: str, value: Json | list[Json]) -> None:
    data = json.dumps(value, separators=(",", ":")).encode()
    add_file(tar, name, len(data), io.BytesIO(data))


def add_blob(tar: tarfile.TarFile, layout: Path, descriptor: Json, suffix: str = "") -> str:
    path = blob_path(layout, descriptor["digest"])
    name = "blobs/sha256/" + path.name + suffix
    with path.open("rb") as content:
        add_file(tar, name, descriptor["size"], content)
    return name


def write_docker_tarball(layout: Path, repo_tags: list[str], tar: tarfile.TarFile) -> None:
    manifest = read_blob(layout, read_manifest_descriptor(layout)["digest"])
    if "config" not in manifest:
        raise LayoutError('an index has no docker tarball: give oci_load format = "oci"')
    config = add_blob(tar, layout, manifest["config"])
    layers: dict[str, str] = {}
    for layer in manifest["layers"]:
        if layer["digest"] not in layers:
            layers[layer["digest"]] = add_blob(tar, layout, layer, ".tar.gz")
    names = [layers[layer["digest"]] for layer in manifest["layers"]]
    add_json(tar, "manifest.json", [{"Config": config, "RepoTags": repo_tags, "Layers": names}])


def reachable(layout: Path, descriptor: Json) -> Iterable[Json]:
    """A manifest's or an index's descriptor and all that it names."""
    yield descriptor
    if descriptor["mediaType"].endswith(("manifest.v1+json", "index.v1+json", "manifest.v2+json")):
        value = read_blob(layout, descriptor["digest"])
        for child in value.get("manifests", []):
            yield from reachable(layout, child)
        if "config" in value:
            yield value["config"]
            yield from value["layers"]


def write_oci_tarball(layout: Path, repo_tags: list[str], tar: tarfile.TarFile) -> None:
    root = read_manifest_descriptor(layout)
    blobs = {descriptor["digest"]: descriptor for descriptor in reachable(layout, root)}
    for descriptor in blobs.values():
        add_blob(tar, layout, descriptor)
    named = [
        root
        | {
            "annotations": {
                "io.containerd.image.name": tag,
                "org.opencontainers.image.ref.name": tag,
            }
        }
        for tag in repo_tags
    ]
    manifests = named or [root]
    version = dump({"imageLayoutVersion": "1.0.0"})
    add_file(tar, "oci-layout", len(version), io.BytesIO(version))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    add_json(tar, "index.json", index)


class Counted(io.RawIOBase):
    """What tarfile can write to though it is a pipe.

    tarfile's own way to, mode `w|`, writes the rest also when a signal has interrupted it, to
    whoever has stopped reading.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._size = out, 0

    def write(self, data: Any) -> int:
        self._size += len(data)
        return self._out.write(data)

    def tell(self) -> int:
        return self._size


def write_tarball(args: argparse.Namespace, out: IO[bytes]) -> None:
    tags = [line.strip() for line in args.repo_tags.read_text().splitlines() if line.strip()]
    with tarfile.open(fileobj=Counted(out), mode="w", format=tarfile.GNU_FORMAT) as tar:
        write = write_docker_tarball if args.format == "docker" else write_oci_tarball
        write(args.layout, tags, tar)


def loader_command(loader: Path | None) -> list[str]:
    if loader:
        # Any program that understands `load --input FILE`.
        return [str(loader), "load", "--input", "/dev/stdin"]
    for name in LOADERS:
        if path := shutil.which(name):
            return [path, "load"]
    raise LayoutError(
        f"none of {', '.join(LOADERS)} is on your PATH: install one, "
        "or give oci_load a `loader`, or build its output group `tarball`"
    )


def load(args: argparse.Namespace) -> int:
    command = loader_command(args.loader)
    with running(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the loader has said why
            write_tarball(args, process.stdin)
            process.stdin.close()
        process.wait()
    if process.returncode:
        print(f"paddle_images: {Path(command[0]).name} could not load the image", file=sys.stderr)
    return process.returncode


# Command line


def split_platform(value: str) -> list[str]:
    parts = value.split("/")
    if len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError(f"{value} is not OS/ARCHITECTURE[/VARIANT]")
    return parts


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="transfer", allow_abbrev=False)
    commands = result.add_subparsers(dest="command", required=True)

    pusher = commands.add_parser("push", prog="oci_push", allow_abbrev=False)
    pusher.add_argument("--skopeo", type=Path, required=True, help=argparse.SUPPRESS)
    pusher.add_argument("--layout", type=Path, required=True, help=argparse.SUPPRESS)
    pusher.add_argument("--repository-file", type=Path, help=argparse.SUPPRESS)
    pusher.add_argument("--tags-file", type=Path, help=argparse.SUPPRESS)
    pusher.add_argument("-r", "--repository", help="HOST/NAME, instead of the target's own")
    pusher.add_argument("-t", "--tag", action="append", default=[], help="one more tag to set")
    pusher.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    pusher.add_argument("--allow-nondistributable-artifacts", action="store_true")
    pusher.add_argument("-v", "--verbose", action="store_true", help="say what skopeo does")
    pusher.add_argument("--platform", type=split_platform, default=[], help="push only this one")
    pusher.add_argument("--digestfile", type=Path, help="write the digest to this file")
    pusher.add_argument("--authfile", type=Path, help="file of logins, instead of the user's own")
    pusher.add_argument("--verify", action="store_true", help="pull back and compare digests")
    pusher.set_defaults(parser=pusher)

    for name in ("load", "tarball"):
        command = commands.add_parser(name, prog="oci_" + name, allow_abbrev=False)
        command.add_argument("--layout", type=Path, required=True, help=argparse.SUPPRESS)
        command.set_defaults(parser=command)
        command.add_argument("--repo-tags", type=Path, required=True, help=argparse.SUPPRESS)
        command.add_argument("--format", choices=("docker", "oci"), default="docker")
        if name == "load":
            command.add_argument("--loader", type=Path, help=argparse.SUPPRESS)
        else:
            command.add_argument("--out", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    args, more = parser().parse_known_args(argv)
    if args.command != "push" and more:
        args.parser.error(f"unknown flags or words: {' '.join(more)}")
    if wrong := complaint(more):
        args.parser.error(wrong)
    try:
        if args.command == "push":
            return push(args, more)
        if args.command == "load":
            return load(args)
        with args.out.open("wb") as out:
            write_tarball(args, out)
    except (LayoutError, LoginError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    exit_on_signals()
    sys.exit(main(sys.argv[1:]))
