"""Pushes the images of an index, each with what is told beside it, and then the index.

Without --repository it goes to the embedded registry. An image gets the tag TAG-MACHINE, the index
TAG, which comes last: a tag never names half of them. More flags go to every push, as --FLAG=VALUE.
With --sign-key the index is signed as well as each image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bazel.image.push import push
from bazel.image.registry import registry
from bazel.oci.layout import read_manifest_descriptor
from bazel.oci.skopeo import complaint


def pair(text: str) -> tuple[str, Path]:
    machine, _, program = text.partition("=")
    return machine, Path(program)


def push_images(args: argparse.Namespace, tags: list[str], more: list[str]) -> None:
    """Runs the push of each image: it says itself what it does."""
    words = ["--repository", args.repository] if args.repository else []
    words += ["--authfile", str(args.authfile)] if args.authfile else []
    words += ["--sign-key", str(args.sign_key)] if args.sign_key else []
    if args.sign_passphrase_file:
        words += ["--sign-passphrase-file", str(args.sign_passphrase_file)]
    words += ["--insecure"] * args.insecure + ["--verbose"] * args.verbose
    words += ["--no-bills"] * (not args.bills)
    for machine, program in args.image:
        say(f"{machine}:")
        command = [str(program), *words, *more]
        for tag in tags:
            command += ["--tag", f"{tag}-{machine}"]
        with processes.running(command) as process:
            if code := process.wait():
                raise UserError(f"the push of {machine} ended with {code}; the index is not pushed")


def push_index(
    args: argparse.Namespace, repository: str, name: str, tags: list[str], more: list[str]
) -> str:
    """Pushes the index by its digest and tags, and signs it as `name`; gives the digest."""
    digest = str(read_manifest_descriptor(args.layout)["digest"])
    digestfile = ["--digestfile", str(args.digestfile)] if args.digestfile else []
    with push.started(args, args.oci_push, repository, tags, [*digestfile, *more]) as process:
        push.finish(args, process)
    if args.sign_key:
        push.sign(args, push.read_key(args), repository, name, digest, more)
    return digest


def main() -> int:
    parser = argparse.ArgumentParser(prog="push_index", allow_abbrev=False, description=__doc__)
    for name in ("layout", "oci-push", "docker-registry", "skopeo"):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("name", "version"):
        parser.add_argument("--" + name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--image", type=pair, action="append", help=argparse.SUPPRESS)
    push.add_options(parser)
    parser.set_defaults(parser=parser)
    args, more = parser.parse_known_args()
    if wrong := complaint(more):
        parser.error(wrong)
    tags = args.tag or [args.version]
    push_images(args, tags, more)
    if args.repository is not None:
        name = args.repository
        digest = push_index(args, name, name, tags, more)
    else:
        name = f"localhost:{registry.port_of_name()}/{args.name}"
        with registry.embedded(args.docker_registry, registry.storage_folder()) as port:
            more = [*more, "--dest-no-creds"]
            digest = push_index(args, f"localhost:{port}/{args.name}", name, tags, more)
    machines = ", ".join(machine for machine, _ in args.image)
    print(f"index    {name}@{digest}   of {machines}")
    for tag in tags:
        print(f"tag      {name}:{tag}   pulled back: equal")
    return 0


if __name__ == "__main__":
    processes.run_main(main)
