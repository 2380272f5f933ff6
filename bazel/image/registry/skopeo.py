"""Reads registries with skopeo and the user's logins."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from bazel.image.base.processes import UserError
from bazel.image.oci import artifacts
from bazel.image.oci.layout import LIMITS, Image, Json
from bazel.oci import skopeo
from bazel.oci.logins import LoginError

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

    def beside(self, repository: str, digest: str) -> tuple[str, Json, list[Json]]:
        """What is told beside an image: the digest of all but signatures; each, by media type; and
        which documents these are.

        Every byte has its digest; what it says is whatever somebody pushed.
        """
        reference = f"{repository}:{artifacts.referrers_tag(digest)}"
        with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
            try:
                self.measure(*self._referrers(repository, reference), most=LIMITS.beside)
                layout = self.fetch(reference, Path(folder, "referrers"))
            except MissingError as error:
                raise UserError(f"nothing is told beside it: {error}") from error
            told = artifacts.read(layout, digest)
            return artifacts.unsigned(layout), told, artifacts.digests(layout)

    def _referrers(self, repository: str, reference: str) -> Iterator[Json]:
        """The manifests of what an index names."""
        entries = json.loads(self.manifest(reference))["manifests"]
        if len(entries) > LIMITS.referrers:
            raise UserError(f"{reference} names {len(entries):,} things, too many to read")
        for entry in entries:
            yield json.loads(self.manifest(f"{repository}@{entry['digest']}"))

    def measure(self, *manifests: Json, most: int) -> int:
        """Refuses to pull what is said to have too many bytes; gives those of the biggest blob."""
        blobs = [blob for m in manifests for blob in (m["config"], *m["layers"])]
        sizes = [int(blob["size"]) for blob in blobs]
        if any(size < 0 for size in sizes) or sum(sizes) > most:
            raise UserError(f"is said to have {sum(sizes):,} bytes, which are not pulled")
        return max(sizes, default=0)
