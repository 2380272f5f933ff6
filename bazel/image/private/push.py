"""Pushes an image, checks it by pulling it back, and says how to run it.

Without --repository it goes to the embedded registry. What pushes is the
oci_push target of the image; more arguments go to it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from bazel.image.private import processes, registry
from bazel.image.private.layout import Image
from bazel.image.private.processes import UserError, say


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


class Loopback:
    """The embedded registry, asked directly."""

    def __init__(self, port: int, name: str) -> None:
        self._url = f"http://127.0.0.1:{port}/v2/{name}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def has_blob(self, digest: str) -> bool:
        request = urllib.request.Request(f"{self._url}/blobs/{digest}", method="HEAD")
        try:
            with self._opener.open(request, timeout=10):
                return True
        except urllib.error.HTTPError:
            return False

    def get(self, kind: str, digest: str, media_type: str) -> bytes:
        request = urllib.request.Request(
            f"{self._url}/{kind}/{digest}", headers={"Accept": media_type}
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                return bytes(response.read())
        except urllib.error.URLError as error:
            raise UserError(f"the registry does not give {digest} back: {error}") from error


def pull_back(skopeo: Path, reference: str, insecure: bool) -> list[bytes]:
    """The manifest and the config of a reference, by skopeo."""
    command = [str(skopeo), "inspect", "--raw"]
    if insecure:
        command.append("--tls-verify=false")
    folder = os.environ.get("DOCKER_CONFIG")
    if folder and "REGISTRY_AUTH_FILE" not in os.environ and Path(folder, "config.json").exists():
        command.append(f"--authfile={folder}/config.json")
    parts = []
    for option in ([], ["--config"]):
        result = subprocess.run(
            [*command, *option, "docker://" + reference], stdout=subprocess.PIPE, check=False
        )
        if result.returncode:
            raise UserError(
                f"{reference} was pushed but cannot be pulled back; skopeo says why above"
            )
        parts.append(result.stdout)
    return parts


def verify(image: Image, manifest: bytes, config: bytes) -> None:
    for name, data, expected in (
        ("manifest", manifest, image.digest),
        ("config", config, image.manifest["config"]["digest"]),
    ):
        got = "sha256:" + hashlib.sha256(data).hexdigest()
        if got != expected:
            raise UserError(
                f"the registry gave back another {name} than was pushed: {got}, not {expected}"
            )


def push(args: argparse.Namespace, repository: str, more: list[str]) -> None:
    command = [str(args.oci_push), "--repository", repository, *more]
    for tag in args.tag:
        command += ["--tag", tag]
    # What the registry client says matters only when it fails.
    quiet = None if args.verbose else subprocess.PIPE
    process = processes.start(command, stdout=subprocess.PIPE, stderr=quiet)
    try:
        _, errors = process.communicate()
    finally:
        processes.stop(process)
    if process.returncode:
        text = (errors or b"").decode(errors="replace").strip()
        raise UserError(f"the push to {repository} failed:\n{text}")


def report(image: Image, reference: str, new: int | None, run: str) -> None:
    size = f"{megabytes(image.compressed_size)} compressed"
    if image.unpacked_size is not None:
        size = f"{megabytes(image.unpacked_size)} ({size})"
    layers = f"{len({layer['digest'] for layer in image.layers})} layers"
    if new is not None:
        layers += f", {new} new"
    print(f"pushed   {reference}   {size}, {layers}")
    print("verified pulled back by digest: equal")
    ports = [port.partition("/")[0] for port in image.config["config"].get("ExposedPorts", {})]
    publish = "".join(f" -p {port}:{port}" for port in ports)
    docker = f"docker run --rm{publish} {reference}"
    print(f"run it   ./bazelw run {run}      or   {docker}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="push", allow_abbrev=False, description=__doc__)
    for name in ("layout", "oci-push", "docker-registry", "skopeo"):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("name", "run-label", "default-tags"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("-r", "--repository", help="HOST/NAME; default: the embedded registry")
    parser.add_argument("-t", "--tag", action="append", default=[], help="tag to set; repeatable")
    parser.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what skopeo does")
    args, more = parser.parse_known_args()
    image = Image(args.layout)
    args.tag = args.tag or json.loads(args.default_tags)
    if args.repository:
        more += ["--insecure"] * args.insecure + ["--verbose"] * args.verbose
        push(args, args.repository, more)
        reference = f"{args.repository}@{image.digest}"
        host = args.repository.partition("/")[0].rpartition(":")[0] or args.repository
        insecure = args.insecure or host in ("localhost", "127.0.0.1", "[::1]")
        verify(image, *pull_back(args.skopeo, reference, insecure))
        report(image, reference, None, args.run_label)
        return 0

    storage = registry.storage_folder()
    with registry.embedded(args.docker_registry, storage) as port:
        loopback = Loopback(port, args.name)
        digests = {layer["digest"] for layer in image.layers}
        new = sum(not loopback.has_blob(digest) for digest in digests)
        push(args, f"localhost:{port}/{args.name}", more)
        manifest = loopback.get("manifests", image.digest, image.manifest["mediaType"])
        config = image.manifest["config"]
        verify(image, manifest, loopback.get("blobs", config["digest"], config["mediaType"]))
    name = f"localhost:{registry.port_of_name()}/{args.name}"
    report(image, f"{name}@{image.digest}", new, args.run_label)
    say("         (docker: while `./bazelw run //images:registry` serves it)")
    return 0


if __name__ == "__main__":
    processes.run_main(main)
