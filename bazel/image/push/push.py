"""Pushes an image, checks it by pulling it back, and says how to run it.

Without --repository it goes to the embedded registry. What pushes and pulls
back is the oci_push target of the image; more flags go to it, as --FLAG=VALUE.
With --sign-key the image and what is told beside it are signed. A registry that
refuses what is told beside it gets the image alone, as with --no-bills.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bazel.image.attest import security, signing
from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bazel.image.oci import artifacts
from bazel.image.oci.artifacts import OPENVEX, SPDX, referrers_tag
from bazel.image.oci.layout import Image
from bazel.image.registry import registry
from bazel.image.registry.skopeo import MissingError, Skopeo
from bazel.oci.skopeo import REFUSED, complaint, split_access


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


class RefusedError(UserError):
    """The registry does not take a manifest of such a kind."""


def push(
    args: argparse.Namespace, image: Image, repository: str, name: str, more: list[str]
) -> str:
    """Pushes the image, by digest and by tags, and what refers to it; signs both as `name`.

    Gives why the registry refuses what refers to it, or nothing.
    """
    digestfile = ["--digestfile", str(args.digestfile)] if args.digestfile else []
    key = args.sign_key and read_key(args)  # first, because a passphrase may be wrong
    refused = ""
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder, ExitStack() as both:

        def start(program: Path, tags: list[str], more: list[str]) -> subprocess.Popen[bytes]:
            return both.enter_context(started(args, program, repository, tags, more))

        pushing = start(args.oci_push, args.tag, [*digestfile, *more])
        beside, failed = None, None
        if args.bills:
            try:
                layout = sign_beside(args, key, repository, image, more, Path(folder))
                words = [*more, f"--layout={layout}"]
                beside = start(args.referrers_push, [referrers_tag(image.digest)], words)
            except UserError as error:
                failed = error
        finish(args, pushing)  # what it says of the registry comes first
        try:
            if failed:
                raise failed
            if beside:
                finish(args, beside)
        except RefusedError as error:
            refused = str(error)
        except UserError as error:
            raise UserError(
                f"{name}@{image.digest} is pushed, what is told beside it is not: {error}"
            ) from error
    if key:
        signed = [image] if refused or not args.bills else [image, Image(args.referrers)]
        for digest in (layout.digest for layout in signed):
            sign(args, key, repository, name, digest, more)
    return refused


def read_key(args: argparse.Namespace) -> ec.EllipticCurvePrivateKey:
    """The key to sign with."""
    if not args.sign_key.is_file():
        raise UserError(
            f"--sign-key {args.sign_key}: there is no such file. "
            "`./bazelw run //images:keygen -- NAME` makes a key, NAME.key."
        )
    word = signing.passphrase("--sign-passphrase-file", args.sign_passphrase_file)
    return signing.read_private_key(args.sign_key, word)


def sign_beside(
    args: argparse.Namespace,
    key: ec.EllipticCurvePrivateKey | None,
    repository: str,
    image: Image,
    more: list[str],
    folder: Path,
) -> Path:
    """The layout of what refers to the image, with the signatures that the repository has."""
    access, _ = split_access(more)
    skopeo = Skopeo(args.skopeo, args.authfile, args.insecure, access)
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
    access, _ = split_access(more)
    skopeo = Skopeo(args.skopeo, args.authfile, args.insecure, access)
    tag = signing.signature_tag(digest)
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
        known, out = None, Path(folder, "signatures")
        try:
            with suppress(MissingError):
                known = skopeo.fetch(f"{repository}:{tag}", Path(folder, "known"))
            if signing.sign(key, name, digest, known, out):
                # An oci_push of another layout: of a flag given twice the last counts.
                words = [*more, f"--layout={out}"]
                with started(args, args.oci_push, repository, [tag], words) as process:
                    finish(args, process)
        except UserError as error:
            raise UserError(f"{name}@{digest} is pushed and not signed: {error}") from error


@contextmanager
def started(
    args: argparse.Namespace, program: Path, repository: str, tags: list[str], more: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs an oci_push: by digest and by tags, each pulled back and compared."""
    command = [str(program), "--repository", repository, "--verify", *more]
    for tag in tags:
        command += ["--tag", tag]
    if args.authfile:
        command += ["--authfile", str(args.authfile)]
    command += ["--insecure"] * args.insecure + ["--verbose"] * args.verbose
    # What the registry client says matters only when it fails.
    quiet = None if args.verbose else subprocess.PIPE
    with processes.running(command, stdout=subprocess.DEVNULL, stderr=quiet) as process:
        yield process


def finish(args: argparse.Namespace, process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of an oci_push; tells why it failed."""
    _, errors = process.communicate()
    text = (errors or b"").decode(errors="replace").strip()
    if process.returncode == 2:  # it does not know an argument
        args.parser.error(text.rpartition("error: ")[2])
    if process.returncode:
        error = RefusedError if process.returncode == REFUSED else UserError
        raise error(text.removeprefix("ERROR: ") or "the push failed, and says why above")


def push_to_embedded(
    args: argparse.Namespace, image: Image, name: str, more: list[str]
) -> tuple[str, int]:
    """Pushes to the embedded registry; gives what `push` does, and the number of new layers."""
    storage = registry.storage_folder()
    with registry.embedded(args.docker_registry, storage) as port:
        digests = {layer["digest"] for layer in image.layers}
        new = sum(not has_blob(port, args.name, digest) for digest in digests)
        try:
            # It wants no login, so nobody is asked for one.
            more = [*more, "--dest-no-creds"]
            return push(args, image, f"localhost:{port}/{args.name}", name, more), new
        except UserError as error:
            free = shutil.disk_usage(storage).free
            if free >= image.compressed_size:
                raise
            raise UserError(
                f"{error}\n{storage} has {megabytes(free)} left, and the image takes up to "
                f"{megabytes(image.compressed_size)}: make room there (`df -h {storage}`), or set "
                "PADDLE_IMAGES_CACHE to a folder on another disk."
            ) from error


def report(
    args: argparse.Namespace, image: Image, repository: str, new: int | None, refused: str
) -> None:
    reference = f"{repository}@{image.digest}"
    size = f"{megabytes(image.unpacked_size)} ({megabytes(image.compressed_size)} compressed)"
    layers = f"{len({layer['digest'] for layer in image.layers})} layers"
    if new is not None:
        layers += f", {new} new"
    print(f"pushed   {reference}   {size}, {layers}")
    print("verified pulled back by digest: equal")
    for tag in args.tag:
        print(f"tag      {repository}:{tag}   pulled back: equal")
    beside = args.bills and not refused
    told = artifacts.read(Image(args.referrers), image.digest)
    if beside:
        kinds = "SPDX, CycloneDX, provenance" + ", OpenVEX" * (OPENVEX in told)
        print(f"beside   {kinds}: {repository}:{referrers_tag(image.digest)}")
    else:
        print(f"beside   nothing: {'the registry refuses it' if refused else '--no-bills'}")
    if args.sign_key:
        what = "the image and what is beside it" if beside else "the image alone"
        signed = f"{repository}:{signing.signature_tag(image.digest)}"
        print(f"signed   by {args.sign_key.name}, {what}: {signed}")
    lock = json.loads(args.security_lock.read_text())
    print(f"security {security.summary(image, told[SPDX], lock, args.target)}")
    if args.model:
        print(f"mount it models/ of {reference} at /models/{args.model}, as an image volume")
        return
    ports = [port.partition("/")[0] for port in image.config["config"].get("ExposedPorts", {})]
    publish = "".join(f" -p {port}:{port}" for port in ports)
    docker = f"docker run --rm{publish} {reference}"
    print(f"run it   ./bazelw run {args.label}_run      or   {docker}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What people say of a push."""
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
    parser.add_argument(
        "--no-bills",
        dest="bills",
        action="store_false",
        help="leave out what is told beside the image",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what skopeo does")


def main() -> int:
    parser = argparse.ArgumentParser(prog="push", allow_abbrev=False, description=__doc__)
    programs = ("oci-push", "referrers-push", "docker-registry", "skopeo")
    for name in ("layout", "referrers", "security-lock", *programs):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("name", "label", "target", "default-tags"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)  # of an image that is mounted
    add_options(parser)
    parser.set_defaults(parser=parser)
    args, more = parser.parse_known_args()
    # A flag may be one of oci_push or of skopeo; a word is nothing to anybody.
    if wrong := complaint(more):
        parser.error(wrong)
    image = Image(args.layout)
    args.tag = args.tag or json.loads(args.default_tags)
    new, name = None, args.repository
    if name is not None:
        refused = push(args, image, name, name, more)
    else:
        name = f"localhost:{registry.port_of_name()}/{args.name}"
        refused, new = push_to_embedded(args, image, name, more)
    report(args, image, name, new, refused)
    if args.repository is None:
        say("         (docker: while `./bazelw run //images:registry` serves it)")
    if refused:
        say(
            f"warning: the image is pushed, its bills of materials and its provenance are not: "
            f"{refused}\n`-- --no-bills` leaves them out."
        )
    return 0


if __name__ == "__main__":
    processes.run_main(main)
