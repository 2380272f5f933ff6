"""What programs that print Kubernetes manifests share: images by digest, templates filled in."""

from __future__ import annotations

import re
import string
from pathlib import Path

import click

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def reference(images: tuple[str, ...], name: str, registry: str) -> str:
    """The reference by digest of a built image: REGISTRY/paddle/NAME@sha256:...

    Args:
        images: `NAME=DIGEST_FILE`, as `deploy_manifest` gives them.
        name: one of these names.
        registry: where the image was pushed to, such as registry.example.org:5000.
    """
    files = dict(image.split("=", 1) for image in images)
    if name not in files:
        raise click.UsageError(
            f"No image {name} is known here (known: {', '.join(sorted(files)) or 'none'}): add it "
            "to `images` of the target that you run."
        )
    digest = Path(files[name]).read_text(encoding="utf-8").strip()
    if not _DIGEST.fullmatch(digest):
        raise click.UsageError(
            f"{files[name]} holds no digest (sha256:...) but {digest[:80]!r}. A manifest names an "
            "image by the digest that was built, never by a tag."
        )
    return f"{registry}/paddle/{name}@{digest}"


def filled(template: Path, values: dict[str, str]) -> str:
    """A template with its `$name`s filled in; each of them must have a value, and be used."""
    text = string.Template(template.read_text(encoding="utf-8"))
    if unused := set(values) - set(text.get_identifiers()):
        raise click.UsageError(f"{template} has no place for {', '.join(sorted(unused))}.")
    try:
        return text.substitute(values)
    except KeyError as missing:
        raise click.UsageError(f"{template} asks for ${missing.args[0]}.") from missing
