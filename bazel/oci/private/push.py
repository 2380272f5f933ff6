"""Pushes an image with skopeo: what `transfer push` does."""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bazel.oci.layout import LayoutError, read_blob, read_manifest_descriptor
from bazel.oci.processes import user_path
from bazel.oci.skopeo import REFUSED, RefusedError, Skopeo, SkopeoError, finish, split_access

# What the OCI distribution specification lets repositories and tags be.
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
# What tells a host from the first folder of a name: a dot, a port, or localhost.
_HOST = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+|[\w-]+(?=:)|\[[0-9a-fA-F:]+\])(:\d+)?")


# References


def check_repository(repository: str) -> str:
    """Gives the host of a repository, which is HOST/NAME."""
    if scheme := re.match(r"[a-z]+://", repository):
        hint = ", and add --insecure for HTTP" if scheme[0] == "http://" else ""
        raise LayoutError(
            f"the repository {repository} must not begin with {scheme[0]}: "
            f"write {repository[scheme.end() :]}{hint}"
        )
    host, slash, name = repository.partition("/")
    if not slash or not _HOST.fullmatch(host):
        raise LayoutError(
            f"the repository {repository} must begin with a registry, as HOST/NAME, "
            "and a host has a dot or a port, or is localhost"
        )
    if "@" in name or ":" in name:
        raise LayoutError(
            f"the repository {repository} must have no tag and no digest: "
            "the digest is the image's, and --tag adds tags"
        )
    if not _NAME.fullmatch(name):
        raise LayoutError(
            f"{name!r} cannot be the name of a repository: small letters and digits, "
            "in between . _ - and /"
        )
    return host


def repository_of(args: argparse.Namespace) -> str:
    """The repository to push to: the flag, else the attribute, else the file."""
    repository: str | None = args.repository
    if repository == "":
        raise LayoutError("--repository is empty: is a variable of your shell not set?")
    if repository is None and args.repository_file:
        repository = args.repository_file.read_text().strip()
    if not repository:
        raise LayoutError("repository not set. Please pass --repository flag.")
    return repository


def tags_of(args: argparse.Namespace) -> list[str]:
    """The tags of the flags and of the target."""
    lines = args.tags_file.read_text().splitlines() if args.tags_file else []
    tags = [*args.tag, *(line.strip() for line in lines if line.strip())]
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise LayoutError(
                f"{tag!r} cannot be a tag: letters, digits, _ . and -, at most 128, "
                "the first no . or -"
            )
    return tags


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


# Push


def copy(args: argparse.Namespace, skopeo: Skopeo, more: list[str], to: str) -> None:
    layout = args.layout.resolve()
    command = ["copy", "--preserve-digests", *more]
    command += [] if args.platform else ["--all"]
    command += [] if args.verbose or sys.stderr.isatty() else ["--quiet"]
    errors = None if args.verbose else subprocess.PIPE
    # skopeo splits oci:PATH at a colon, so it runs beside the layout.
    places, folder = (f"oci:{layout.name}", f"docker://{to}"), layout.parent
    skopeo.run(command, *places, side="dest-", cwd=folder, stdout=sys.stderr, stderr=errors)


def verify(args: argparse.Namespace, skopeo: Skopeo, references: list[str], digest: str) -> None:
    """Pulls manifest and config back, and compares them."""
    checks = [(["inspect", "--raw"], name, digest, name) for name in references]
    if config := read_blob(args.layout, digest).get("config"):
        told = f"the config of {references[0]}"
        command = ["inspect", "--raw", "--config"]
        checks.append((command, references[0], config["digest"], told))
    # All at once: each is a program that starts and asks one thing.
    with ExitStack() as stack:
        errors = None if args.verbose else subprocess.PIPE
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": errors}
        asked = [
            stack.enter_context(skopeo.running(command, f"docker://{name}", **pipes))
            for command, name, _, _ in checks
        ]
        for process, (_, _, expected, name) in zip(asked, checks, strict=True):
            got = "sha256:" + hashlib.sha256(finish(process)).hexdigest()
            if got != expected:
                raise LayoutError(
                    f"{name} is not what was pushed: its digest is {got}, not {expected}"
                )


def push(args: argparse.Namespace, more: list[str]) -> int:
    repository = repository_of(args)
    check_repository(repository)
    tags = tags_of(args)
    digest = chosen_digest(args.layout, args.platform)
    options = ["--debug"] * args.verbose
    for name, part in zip(("os", "arch", "variant"), args.platform, strict=False):
        options.append(f"--override-{name}={part}")
    given, more = split_access(more)
    skopeo = Skopeo(
        args.skopeo,
        repository,
        authfile=args.authfile,
        insecure=args.insecure,
        given=given,
        options=options,
    )
    # The image by its digest first, so that a tag never names half an image.
    references = [f"{repository}@{digest}", *(f"{repository}:{tag}" for tag in tags)]
    try:
        for reference in references:
            copy(args, skopeo, more, reference)
        if args.verify:
            verify(args, skopeo, references, digest)
    except SkopeoError as error:
        if re.match("unknown .*flag", str(error)):
            args.parser.error(str(error))
        print(f"ERROR: the push to {repository} failed: {error}", file=sys.stderr)
        if cure := skopeo.cure(error):
            print(cure, file=sys.stderr)
        return REFUSED if isinstance(error, RefusedError) else 1
    print(f"{repository}@{digest}")
    if args.digestfile:
        user_path(args.digestfile).write_text(digest + "\n")
    return 0
