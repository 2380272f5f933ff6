"""What programs that print Kubernetes manifests share: images by digest, templates filled in."""

from __future__ import annotations

import re
import string
from pathlib import Path

import click

from bazel.image.private.processes import UserError
from bazel.image.private.skopeo import MissingError, Skopeo

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def reference(images: tuple[str, ...], name: str, repository: str) -> str:
    """The reference by digest of a built image: REPOSITORY@sha256:...

    Args:
        images: `NAME=DIGEST_FILE`, as `deploy_manifest` gives them.
        name: one of these names.
        repository: where the image was pushed to, such as registry.example.org:5000/team/train.
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
    return f"{repository}@{digest}"


def check_pushed(skopeo: Path, reference: str, command: str) -> None:
    """Asks the registry for an image before a cluster does in vain.

    A registry that lacks it is an error. One that cannot be asked, as from a machine that only
    prints, costs a line on stderr.

    Args:
        skopeo: the program.
        reference: of the image, by its digest.
        command: what pushes it.
    """
    try:
        Skopeo(skopeo, None, insecure=False).manifest(reference)
    except MissingError as error:
        raise click.ClickException(
            f"{reference} is not in its registry. Push it: `{command}`."
        ) from error
    except UserError as error:
        click.echo(
            f"not checked that the image was pushed: {error}\nIf it was not: `{command}`.", err=True
        )


def filled(template: Path, values: dict[str, str]) -> str:
    """A template with its `$name`s filled in; each of them must have a value, and be used.

    A line `key: $name` goes if the value is empty.
    """
    source = template.read_text(encoding="utf-8")
    if unused := set(values) - set(string.Template(source).get_identifiers()):
        raise click.UsageError(f"{template} has no place for {', '.join(sorted(unused))}.")
    for name in (name for name, value in values.items() if not value):
        source = re.sub(rf"^ *\w+: \${name}\n", "", source, flags=re.MULTILINE)
    try:
        return string.Template(source).substitute(values)
    except KeyError as missing:
        raise click.UsageError(f"{template} asks for ${missing.args[0]}.") from missing
