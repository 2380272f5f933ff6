"""Pushes an image with skopeo: what `transfer push` does."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from oci.private.layout import LayoutError, read_blob, read_manifest_descriptor
from oci.processes import running, user_path

# What the OCI distribution specification lets repositories and tags be.
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
# What tells a host from the first folder of a name: a dot, a port, or localhost.
_HOST = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+|[\w-]+(?=:)|\[[0-9a-fA-F:]+\])(:\d+)?")
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
# Flags about access, which `skopeo inspect` knows too, without `dest-`.
_ACCESS = re.compile(
    r"--dest-(authfile|cert-dir|creds|no-creds|password|registry-token|tls-verify|username)(=|$)"
)


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


# Logins


def login_files(authfile: Path | None) -> list[Path]:
    """Where skopeo looks for logins; one that is chosen stands alone."""
    if authfile:
        return [user_path(authfile)]
    if chosen := os.environ.get("REGISTRY_AUTH_FILE"):
        return [user_path(chosen)]
    # skopeo does not know $DOCKER_CONFIG.
    folder = os.environ.get("DOCKER_CONFIG")
    if folder and (file := user_path(folder) / "config.json").exists():
        return [file]
    run = os.environ.get("XDG_RUNTIME_DIR")
    containers = Path(run) / "containers" if run else Path("/run/containers", str(os.getuid()))
    home = Path(os.environ.get("HOME", "/"))
    return [containers / "auth.json", home / ".docker" / "config.json"]


def _knows(file: Path, host: str) -> bool:
    try:
        config = json.loads(file.read_bytes())
        keys = [*config.get("auths", {}), *config.get("credHelpers", {})]
        return any(re.sub("^https?://", "", key).partition("/")[0] == host for key in keys)
    except (OSError, ValueError, AttributeError):
        return False


# Failures


def cure(message: str, host: str, files: list[Path]) -> str:
    """What mends a failure of skopeo, or nothing where only the registry's people know."""
    used = next((file for file in files if _knows(file, host)), None)
    login = f"The login in {used} was" if used else f"No login is in {' or '.join(map(str, files))}"
    for pattern, text in (
        (
            "unauthori[sz]ed|authentication required|denied: |access .*denied|forbidden",
            f"{login} {'not enough for' if used else 'for'} {host}: "
            f"`docker login {host}` or `skopeo login {host}` makes one.",
        ),
        (
            "HTTP response to HTTPS client|does not look like a TLS handshake",
            f"{host} speaks plain HTTP: --insecure accepts that.",
        ),
        ("x509:", f"If you trust {host} all the same, --insecure accepts any certificate."),
        ("dial tcp: lookup ", f"No name server knows {host}: is --repository spelt right?"),
        (
            "connection refused|connection reset|timeout|deadline exceeded|unreachable|no route",
            f"Nothing answers at {host}: are host and port right, does it run, "
            "and is a proxy needed or in the way ($HTTPS_PROXY, $NO_PROXY)?",
        ),
        (
            r"404 \(?not found|: 404\b|name unknown|repository .*not found",
            f"Is a registry behind {host}, and must the repository be made there first?",
        ),
    ):
        if re.search(pattern, message, re.IGNORECASE):
            return text
    return ""


def fatal(errors: str) -> str:
    """The message of skopeo's last line, without what its log puts around it."""
    found = re.findall(r'level=fatal msg=("(?:[^"\\]|\\.)*"|\S+)', errors)
    if not found:
        return errors.strip()
    try:
        return str(json.loads(found[-1]))
    except ValueError:  # it escapes more than JSON does
        return str(found[-1]).strip('"')


class SkopeoError(LayoutError):
    """What skopeo says of itself; it may be about its command line."""


Skopeo = subprocess.Popen[bytes]


def skopeo(
    words: list[str], cwd: Path, verbose: bool, stdout: int | None = None
) -> AbstractContextManager[Skopeo]:
    return running(
        words,
        cwd=cwd,
        stdout=sys.stderr if stdout is None else stdout,
        stderr=None if verbose else subprocess.PIPE,
    )


def finish(process: Skopeo) -> bytes:
    """What a skopeo printed, at its end."""
    data, errors = process.communicate()
    if process.returncode:
        text = (errors or b"").decode(errors="replace")
        raise SkopeoError(fatal(text) or "skopeo says why above")
    return data or b""


# Push


def _verify(expected: str, data: bytes, name: str) -> None:
    got = "sha256:" + hashlib.sha256(data).hexdigest()
    if got != expected:
        raise LayoutError(f"{name} is not what was pushed: its digest is {got}, not {expected}")


def steps(
    args: argparse.Namespace, more: list[str], repository: str, tags: list[str], digest: str
) -> tuple[list[list[str]], list[tuple[list[str], str, str]]]:
    """The commands of a push: those that copy, one after the other, and those that check.

    The latter with the digest of what they print, and a name for it.
    """
    layout = args.layout.resolve()
    program = [str(args.skopeo), "--insecure-policy"] + ["--debug"] * args.verbose
    for name, part in zip(("os", "arch", "variant"), args.platform, strict=False):
        program.append(f"--override-{name}={part}")
    access = [flag for flag in more if _ACCESS.match(flag)]
    # The default files are left to skopeo, which looks into one after the other.
    files = login_files(args.authfile)
    access += [f"--dest-authfile={files[0]}"] * (len(files) == 1)
    if args.insecure or _LOOPBACK.fullmatch(repository.partition("/")[0]):
        access.append("--dest-tls-verify=false")
    copy = [*program, "copy", "--preserve-digests", *access]
    copy += [flag for flag in more if not _ACCESS.match(flag)]
    copy += [] if args.platform else ["--all"]
    copy += [] if args.verbose or sys.stderr.isatty() else ["--quiet"]
    # The image by its digest first, so that a tag never names half an image.
    references = [f"{repository}@{digest}", *(f"{repository}:{tag}" for tag in tags)]
    # skopeo splits oci:PATH at a colon, so it runs beside the layout.
    copies = [[*copy, f"oci:{layout.name}", f"docker://{name}"] for name in references]
    checks = []
    if args.verify:
        inspect = [*program, "inspect", "--raw", *(flag.replace("-dest", "", 1) for flag in access)]
        checks = [([*inspect, f"docker://{name}"], digest, name) for name in references]
        if config := read_blob(layout, digest).get("config"):
            words = [*inspect, "--config", f"docker://{references[0]}"]
            checks.append((words, config["digest"], f"the config of {references[0]}"))
    return copies, checks


def push(args: argparse.Namespace, more: list[str]) -> int:
    repository = repository_of(args)
    host = check_repository(repository)
    tags = tags_of(args)
    digest = chosen_digest(args.layout, args.platform)
    try:
        copies, checks = steps(args, more, repository, tags, digest)
        folder = args.layout.resolve().parent
        for words in copies:
            with skopeo(words, folder, args.verbose) as process:
                finish(process)
        # All at once: each is a program that starts and asks one thing.
        with ExitStack() as all_of_them:
            asked = [
                all_of_them.enter_context(skopeo(words, folder, args.verbose, subprocess.PIPE))
                for words, _, _ in checks
            ]
            for process, (_, expected, name) in zip(asked, checks, strict=True):
                _verify(expected, finish(process), name)
    except SkopeoError as error:
        if re.match("unknown .*flag", str(error)):
            args.parser.error(str(error))
        lines = [f"the push to {repository} failed: {error}"]
        lines += filter(None, [cure(str(error), host, login_files(args.authfile))])
        raise LayoutError("\n".join(lines)) from error
    print(f"{repository}@{digest}")
    if args.digestfile:
        user_path(args.digestfile).write_text(digest + "\n")
    return 0
