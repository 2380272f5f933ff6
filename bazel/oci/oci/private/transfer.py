"""Moves images out of layouts: what oci_push and oci_load run.

transfer push    --layout DIR ...   pushes with skopeo
transfer load    --layout DIR ...   hands a tarball to docker, podman or nerdctl
transfer tarball --layout DIR ...   writes that tarball to a file
"""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from oci.private.layout import (
    OCI_INDEX,
    Json,
    LayoutError,
    blob_path,
    dump,
    read_blob,
    read_manifest_descriptor,
)

# The time of every entry of a tarball, that of upstream's.
TARBALL_TIME = 1672560000
LOADERS = ("docker", "podman", "nerdctl")
LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


# Push


def die_with_parent() -> None:
    """Has the kernel end a child when we end, however that happens."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)


def repository_of(args: argparse.Namespace) -> str:
    """The repository to push to: the flag, else the attribute, else the file."""
    repository: str = args.repository or ""
    if not repository and args.repository_file:
        repository = args.repository_file.read_text().strip()
    if not repository:
        raise LayoutError("repository not set. Please pass --repository flag.")
    name = repository.rpartition("/")[2]
    if "@" in repository or ":" in name:
        raise LayoutError(
            f"the repository {repository} must have no tag and no digest: "
            "the digest is the image's, and --tag adds tags"
        )
    if "/" not in repository:
        raise LayoutError(f"the repository {repository} must begin with a registry, as HOST/NAME")
    return repository


def credentials() -> list[str]:
    """skopeo finds the user's login by itself, but for $DOCKER_CONFIG."""
    folder = os.environ.get("DOCKER_CONFIG")
    if folder and "REGISTRY_AUTH_FILE" not in os.environ:
        file = Path(folder) / "config.json"
        if file.exists():
            return [f"--authfile={file}"]
    return []


def chosen_digest(layout: Path, platform: list[str]) -> str:
    """The digest of the layout, or of the one image of its index for a platform."""
    root = read_manifest_descriptor(layout)
    images = read_blob(layout, root["digest"]).get("manifests", []) if platform else []
    if not images:
        return str(root["digest"])
    for image in images:
        known = image["platform"]
        if [known.get(key) for key in ("os", "architecture", "variant")][
            : len(platform)
        ] == platform:
            return str(image["digest"])
    raise LayoutError(f"the index has no image for {'/'.join(platform)}")


def push(args: argparse.Namespace, more: list[str]) -> int:
    repository = repository_of(args)
    layout: Path = args.layout.resolve()
    digest = chosen_digest(layout, args.platform)
    tags = list(args.tag)
    if args.tags_file:
        tags += [line.strip() for line in args.tags_file.read_text().splitlines() if line.strip()]
    command = [str(args.skopeo), "--insecure-policy"]
    command += ["--debug"] if args.verbose else []
    for name, part in zip(("os", "arch", "variant"), args.platform, strict=False):
        command.append(f"--override-{name}={part}")
    command += ["copy", "--preserve-digests", *credentials(), *more]
    command += [] if args.platform else ["--all"]
    if args.insecure or LOOPBACK.fullmatch(repository.partition("/")[0]):
        command.append("--dest-tls-verify=false")
    # The image by its digest first, so that a tag never names half an image.
    for reference in [f"@{digest}", *(f":{tag}" for tag in tags)]:
        # skopeo splits oci:PATH at a colon, so it runs beside the layout.
        source, target = f"oci:{layout.name}", f"docker://{repository}{reference}"
        words = [*command, source, target]
        status = subprocess.call(
            words, cwd=layout.parent, stdout=sys.stderr, preexec_fn=die_with_parent
        )
        if status:
            print(f"rules_oci: skopeo could not push {repository}{reference}", file=sys.stderr)
            return status
    print(f"{repository}@{digest}")
    if args.digestfile:
        args.digestfile.write_text(digest + "\n")
    return 0


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


def write_tarball(args: argparse.Namespace, out: IO[bytes]) -> None:
    tags = [line.strip() for line in args.repo_tags.read_text().splitlines() if line.strip()]
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar:
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
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            write_tarball(args, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the loader has said why
    if process.returncode:
        print(f"rules_oci: {command[0]} could not load the image", file=sys.stderr)
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

    for name in ("load", "tarball"):
        command = commands.add_parser(name, prog="oci_" + name, allow_abbrev=False)
        command.add_argument("--layout", type=Path, required=True, help=argparse.SUPPRESS)
        command.add_argument("--repo-tags", type=Path, required=True, help=argparse.SUPPRESS)
        command.add_argument("--format", choices=("docker", "oci"), default="docker")
        if name == "load":
            command.add_argument("--loader", type=Path, help=argparse.SUPPRESS)
        else:
            command.add_argument("--out", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    program = parser()
    args, more = program.parse_known_args(argv)
    try:
        if args.command == "push":
            return push(args, more)
        if more:
            program.error("unknown arguments: " + " ".join(more))
        if args.command == "load":
            return load(args)
        with args.out.open("wb") as out:
            write_tarball(args, out)
    except LayoutError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
