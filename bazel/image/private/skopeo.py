"""Reads registries with skopeo and the user's logins."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from oci import skopeo
from oci.logins import LoginError

from bazel.image.private import referrers
from bazel.image.private.layout import Image, Json
from bazel.image.private.processes import UserError

# HOST/NAME@DIGEST or HOST/NAME:TAG.
REFERENCE = re.compile(
    r"(?P<repository>[^@]+?/[^@]+?)(@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)


def parse(reference: str) -> re.Match[str]:
    """The parts of a reference."""
    matched = REFERENCE.fullmatch(reference)
    if not matched:
        raise UserError(f"{reference} is no reference: write HOST/NAME@DIGEST or HOST/NAME:TAG")
    return matched


class MissingError(UserError):
    """The registry answers, and does not have it."""


class Skopeo:
    """Reads images and artifacts by reference: HOST/NAME@DIGEST or HOST/NAME:TAG."""

    def __init__(
        self,
        program: Path,
        authfile: Path | None,
        insecure: bool,
        given: Sequence[str] = (),
    ) -> None:
        """See oci.skopeo.Skopeo."""

        @cache
        def client(repository: str) -> skopeo.Skopeo:
            try:
                return skopeo.Skopeo(
                    program, repository, authfile=authfile, insecure=insecure, given=given
                )
            except LoginError as error:
                raise UserError(str(error)) from error

        self._client = client

    def run(self, command: list[str], reference: str, *target: str) -> bytes:
        """Runs skopeo's copy or inspect of a reference."""
        client = self._client(parse(reference)["repository"])
        side = "src-" if command[0] == "copy" else ""
        try:
            return client.run(command, f"docker://{reference}", *target, side=side)
        except skopeo.SkopeoError as error:
            missing = isinstance(error, skopeo.MissingError)
            lines = [f"{reference} cannot be read: {error}", client.cure(error)]
            raise (MissingError if missing else UserError)(
                "\n".join(filter(None, lines))
            ) from error

    def manifest(self, reference: str) -> bytes:
        return self.run(["inspect", "--raw"], reference)

    def digest(self, reference: str) -> str:
        return "sha256:" + hashlib.sha256(self.manifest(reference)).hexdigest()

    def fetch(self, reference: str, layout: Path) -> Image:
        """Copies an image, or an index with all that it names, into a new layout."""
        command = ["copy", "--quiet", "--all", "--preserve-digests"]
        self.run(command, reference, f"oci:{layout}")
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
