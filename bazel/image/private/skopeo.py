"""Reads registries with skopeo and the user's logins."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from bazel.image.private import referrers
from bazel.image.private.layout import Image, Json
from bazel.image.private.processes import UserError, user_path

# HOST/NAME@DIGEST or HOST/NAME:TAG.
REFERENCE = re.compile(
    r"(?P<repository>[^@]+?/[^@]+?)(@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)
# What registries say of a manifest or a repository that they do not have.
_MISSING = re.compile("manifest unknown|name unknown|not known|not found|404", re.IGNORECASE)


class MissingError(UserError):
    """The registry answers, and does not have it."""


class Skopeo:
    """Reads images and artifacts by reference: HOST/NAME@DIGEST or HOST/NAME:TAG."""

    def __init__(self, program: Path, authfile: Path | None, insecure: bool) -> None:
        self._program = program
        if not authfile and not os.environ.get("REGISTRY_AUTH_FILE"):
            # skopeo does not know $DOCKER_CONFIG.
            folder = os.environ.get("DOCKER_CONFIG")
            config = user_path(folder) / "config.json" if folder else None
            authfile = config if config and config.exists() else None
        self._flags = [f"--authfile={authfile}"] if authfile else []
        self._insecure = insecure

    def run(self, command: list[str], source: str, *target: str) -> bytes:
        copies = command[:1] == ["copy"]
        loopback = re.match(r"docker://(localhost|127\.\d+\.\d+\.\d+)[:/]", source)
        tls = "--src-tls-verify=false" if copies else "--tls-verify=false"
        words = [str(self._program), "--insecure-policy", *command, *self._flags]
        words += [tls] if self._insecure or loopback else []
        done = subprocess.run([*words, source, *target], capture_output=True, check=False)
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip().rpartition("msg=")[2]
            error = MissingError if _MISSING.search(text) else UserError
            raise error(f"{source.removeprefix('docker://')} cannot be read: {text}")
        return done.stdout

    def manifest(self, reference: str) -> bytes:
        return self.run(["inspect", "--raw"], f"docker://{reference}")

    def digest(self, reference: str) -> str:
        return "sha256:" + hashlib.sha256(self.manifest(reference)).hexdigest()

    def fetch(self, reference: str, layout: Path) -> Image:
        """Copies an image, or an index with all that it names, into a new layout."""
        command = ["copy", "--quiet", "--all", "--preserve-digests"]
        self.run(command, f"docker://{reference}", f"oci:{layout}")
        return Image(layout)

    def beside(self, repository: str, digest: str) -> tuple[str, Json]:
        """What is told beside an image: the digest of all but signatures, and each by media type.

        Every byte has its digest; what it says is whatever somebody pushed.
        """
        reference = f"{repository}:{referrers.referrers_tag(digest)}"
        with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
            try:
                layout = self.fetch(reference, Path(folder, "referrers"))
            except MissingError as error:
                raise UserError(f"nothing is told beside it: {error}") from error
            return referrers.unsigned(layout), referrers.read(layout, digest)
