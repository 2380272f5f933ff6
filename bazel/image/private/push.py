"""Pushes an image, checks it by pulling it back, and says how to run it.

Without --repository it goes to the embedded registry. What pushes and pulls
back is the oci_push target of the image; more flags go to it, as --FLAG=VALUE.
With --sign-key the image and what is told beside it are signed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bazel.image.private import processes, referrers, registry, security, signing
from bazel.image.private.layout import Image
from bazel.image.private.processes import UserError, say
from bazel.image.private.referrers import SPDX, referrers_tag
from bazel.image.private.skopeo import MissingError, Skopeo


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def has_blob(port: int, name: str, digest: str) -> bool:
    """Whether the embedded registry has a layer already."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://127.0.0.1:{port}/v2/{name}/blobs/{digest}"
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=10):
            return True
    except urllib.error.HTTPError:
        return False


def push(
    args: argparse.Namespace, image: Image, repository: str, name: str, more: list[str]
) -> None:
    """Pushes the image, by digest and by tags, and what refers to it; signs both as `name`."""
    digestfile = ["--digestfile", str(args.digestfile)] if args.digestfile else []
    # First, because a passphrase may be wrong.
    key = args.sign_key and signing.read_private_key(
        args.sign_key, signing.passphrase("--sign-passphrase-file", args.sign_passphrase_file)
    )
    beside = [referrers_tag(image.digest)]
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
        signed = sign_beside(args, key, repository, image, Path(folder))
        run_pushes(
            args,
            repository,
            (args.oci_push, args.tag, [*digestfile, *more]),
            (args.referrers_push, beside, [*more, f"--layout={signed}"]),
        )
    if key:
        for digest in (image.digest, Image(args.referrers).digest):
            sign(args, key, repository, name, digest, more)


def sign_beside(
    args: argparse.Namespace,
    key: ec.EllipticCurvePrivateKey | None,
    repository: str,
    image: Image,
    folder: Path,
) -> Path:
    """The layout of what refers to the image, with the signatures that the repository has."""
    skopeo = Skopeo(args.skopeo, args.authfile, args.insecure)
    known = None
    with suppress(MissingError):
        tag = referrers_tag(image.digest)
        known = skopeo.fetch(f"{repository}:{tag}", folder / "known")
    return signing.sign_beside(key, image, Image(args.referrers), known, folder / "signed")


def sign(
    args: argparse.Namespace,
    key: ec.EllipticCurvePrivateKey,
    repository: str,
    name: str,
    digest: str,
    more: list[str],
) -> None:
    """Adds a signature of a digest to those that the repository has."""
    skopeo = Skopeo(args.skopeo, args.authfile, args.insecure)
    tag = signing.signature_tag(digest)
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
        known, out = None, Path(folder, "signatures")
        with suppress(MissingError):
            known = skopeo.fetch(f"{repository}:{tag}", Path(folder, "known"))
        if signing.sign(key, name, digest, known, out):
            # An oci_push of another layout: of a flag given twice the last counts.
            run_pushes(args, repository, (args.oci_push, [tag], [*more, f"--layout={out}"]))


def run_pushes(
    args: argparse.Namespace, repository: str, *pushes: tuple[Path, list[str], list[str]]
) -> None:
    """Runs oci_push programs, with tags and flags each, at the same time."""
    with ExitStack() as stack:
        running = [
            start_push(args, program, repository, tags, more) for program, tags, more in pushes
        ]
        for process in running:
            stack.callback(processes.stop, process)
        for process in running:
            finish_push(args, process)


def start_push(
    args: argparse.Namespace, program: Path, repository: str, tags: list[str], more: list[str]
) -> subprocess.Popen[bytes]:
    """Starts an oci_push: by digest and by tags, each pulled back and compared."""
    command = [str(program), "--repository", repository, "--verify", *more]
    for tag in tags:
        command += ["--tag", tag]
    if args.authfile:
        command += ["--authfile", str(args.authfile)]
    command += ["--insecure"] * args.insecure + ["--verbose"] * args.verbose
    # What the registry client says matters only when it fails.
    quiet = None if args.verbose else subprocess.PIPE
    return processes.start(command, stdout=subprocess.DEVNULL, stderr=quiet)


def finish_push(args: argparse.Namespace, process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of an oci_push; tells why it failed."""
    _, errors = process.communicate()
    text = (errors or b"").decode(errors="replace").strip()
    if process.returncode == 2:  # it does not know an argument
        args.parser.error(text.rpartition("error: ")[2])
    if process.returncode:
        raise UserError(text.removeprefix("ERROR: ") or "the push failed")


def report(args: argparse.Namespace, image: Image, repository: str, new: int | None) -> None:
    reference = f"{repository}@{image.digest}"
    size = f"{megabytes(image.unpacked_size)} ({megabytes(image.compressed_size)} compressed)"
    layers = f"{len({layer['digest'] for layer in image.layers})} layers"
    if new is not None:
        layers += f", {new} new"
    print(f"pushed   {reference}   {size}, {layers}")
    print("verified pulled back by digest: equal")
    for tag in args.tag:
        print(f"tag      {repository}:{tag}   pulled back: equal")
    print(f"beside   SPDX, CycloneDX, provenance: {repository}:{referrers_tag(image.digest)}")
    if args.sign_key:
        signed = f"{repository}:{signing.signature_tag(image.digest)}"
        print(f"signed   by {args.sign_key.name}, the image and what is beside it: {signed}")
    told = referrers.read(Image(args.referrers), image.digest)
    lock = json.loads(args.security_lock.read_text())
    target = args.run_label.removesuffix("_run") + "_push"
    print(f"security {security.summary(image, told[SPDX], lock, target)}")
    ports = [port.partition("/")[0] for port in image.config["config"].get("ExposedPorts", {})]
    publish = "".join(f" -p {port}:{port}" for port in ports)
    docker = f"docker run --rm{publish} {reference}"
    print(f"run it   ./bazelw run {args.run_label}      or   {docker}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="push", allow_abbrev=False, description=__doc__)
    programs = ("oci-push", "referrers-push", "docker-registry", "skopeo")
    for name in ("layout", "referrers", "security-lock", *programs):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("name", "run-label", "default-tags"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    path = processes.user_path
    parser.add_argument("-r", "--repository", help="HOST/NAME; default: the embedded registry")
    parser.add_argument("-t", "--tag", action="append", default=[], help="tag to set; repeatable")
    parser.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    parser.add_argument("--authfile", type=path, help="file of logins, instead of the user's own")
    parser.add_argument("--digestfile", type=path, help="write the digest to this file")
    parser.add_argument("--sign-key", type=path, help="sign with this private key of cosign's")
    parser.add_argument(
        "--sign-passphrase-file", type=path, help="its passphrase; default: of $COSIGN_PASSWORD"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what skopeo does")
    parser.set_defaults(parser=parser)
    args, more = parser.parse_known_args()
    # A flag may be one of oci_push or of skopeo; a word is nothing to anybody.
    if any(not re.match("--?[^-]", word) for word in more):
        parser.error(f"unknown flags or words: {' '.join(more)}")
    image = Image(args.layout)
    args.tag = args.tag or json.loads(args.default_tags)
    if args.repository is not None:
        push(args, image, args.repository, args.repository, more)
        report(args, image, args.repository, None)
        return 0

    name = f"localhost:{registry.port_of_name()}/{args.name}"
    with registry.embedded(args.docker_registry, registry.storage_folder()) as port:
        digests = {layer["digest"] for layer in image.layers}
        new = sum(not has_blob(port, args.name, digest) for digest in digests)
        push(args, image, f"localhost:{port}/{args.name}", name, more)
    report(args, image, name, new)
    say("         (docker: while `./bazelw run //images:registry` serves it)")
    return 0


if __name__ == "__main__":
    processes.run_main(main)
