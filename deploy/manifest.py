"""What programs that print Kubernetes manifests share: options, images by digest, templates."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from bazel.image.base.processes import UserError
from bazel.image.registry.skopeo import MissingError, Skopeo

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# What Kubernetes and registries take, and what makes no other YAML of a template than is meant,
# where `no` and 123 stand in quotes. A name is also a Service's: that begins with a letter.
_NAME = "[a-z]([-a-z0-9]{0,50}[a-z0-9])?"
_NAMESPACE = "[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?"
_SUBDOMAIN = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_MEMORY = "[0-9]+(Mi|Gi|Ti|M|G|T)"
_REGISTRY = "[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*"
_REPOSITORY = "[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+"

Values = str | tuple[str, ...] | None
Command = TypeVar("Command", bound=Callable[..., Any])


def _as(pattern: str, example: str) -> Callable[[click.Context, click.Parameter, Values], Values]:
    """A check that a value, or each of them, is all of a pattern's."""

    def check(_context: click.Context, _option: click.Parameter, value: Values) -> Values:
        for word in (value,) if isinstance(value, str) else value or ():
            if not re.fullmatch(pattern, word):
                raise click.BadParameter(f"{word!r} is no such value as {example}.")
        return value

    return check


def subdomain(name: str, example: str, **options: Any) -> Callable[[Command], Command]:
    """An option whose value names something in the cluster."""
    return click.option(name, callback=_as(_SUBDOMAIN, example), **options)


def _all_of(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for several; `--help` lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def naming(name: str) -> Callable[[Command], Command]:
    """The options --name, with its default, and --namespace."""
    return _all_of(
        click.option(
            "--name",
            default=name,
            show_default=True,
            callback=_as(_NAME, "digits-2"),
            help="Of what is made in the cluster.",
        ),
        click.option(
            "--namespace",
            callback=_as(_NAMESPACE, "team"),
            help="Of all that.  [default: kubectl's]",
        ),
    )


def labels(name: str) -> dict[str, str]:
    """Of what the server of that name is made of in the cluster; its template has the same."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "paddle-images"}


def options(name: str, memory: str) -> Callable[[Command], Command]:
    """The options of all such programs, for a `Given`; name and memory are defaults."""
    path = click.Path(path_type=Path)
    return _all_of(
        click.option("--template", type=path, hidden=True, required=True),
        click.option("--image", "images", multiple=True, hidden=True),
        click.option("--skopeo", type=path, hidden=True, required=True),
        click.option(
            "--registry",
            callback=_as(_REGISTRY, "registry.example.org:5000"),
            help="Host (and port) that the image was pushed to, as HOST/paddle/NAME.",
        ),
        click.option(
            "--repository",
            callback=_as(_REPOSITORY, "registry.example.org/team/ours"),
            help="In place of --registry: a repository of your own, that of the push.",
        ),
        click.option("--offline", is_flag=True, help="Do not ask the registry for the image."),
        naming(name),
        subdomain(
            "--pull-secret",
            "registry-login",
            multiple=True,
            help="Secret of that namespace with the registry's login; may be given again.",
        ),
        click.option(
            "--gpus",
            default=0,
            show_default=True,
            type=click.IntRange(0),
            help="GPUs of each pod; with 0 it runs on CPUs.",
        ),
        click.option(
            "--cpus", default=4, show_default=True, type=click.IntRange(1), help="Of each pod."
        ),
        click.option(
            "--memory",
            default=memory,
            show_default=True,
            callback=_as(_MEMORY, "8Gi"),
            help="Of each pod.",
        ),
    )


@dataclass(frozen=True)
class Given:
    """What `options` took from the command line."""

    template: Path
    images: tuple[str, ...]
    skopeo: Path
    registry: str | None
    repository: str | None
    offline: bool
    name: str
    namespace: str | None
    pull_secret: tuple[str, ...]
    gpus: int
    cpus: int
    memory: str

    def printed(self, target: str, image: str, values: dict[str, str]) -> str:
        """The manifest.

        Args:
            target: the `deploy_manifest` that runs; TARGET_gpu is the one with the image for GPUs.
            image: for CPUs and for GPUs, as in `train_core|train_gpu`.
            values: those of the template that are not ours.
        """
        on_cpus, on_gpus = image.split("|")
        image, target = (on_gpus, target + "_gpu") if self.gpus else (on_cpus, target)
        if image not in {known.partition("=")[0] for known in self.images}:
            raise click.UsageError(
                f"--gpus {self.gpus} needs the image {image}, which this target does not build: "
                f"run `./bazelw run {target} -- ...` with the same options."
            )
        return self.filled(self.named(image, image, f"//images:{image}_push"), values)

    def named(self, image: str, pushed_as: str, push: str) -> str:
        """An image's reference by digest, where it was pushed to.

        Args:
            image: one of `images`.
            pushed_as: its repository's name under --registry.
            push: the target that pushes it.
        """
        if bool(self.registry) == bool(self.repository):
            raise click.UsageError("Give one of --registry HOST and --repository HOST/NAME.")
        repository = self.repository or f"{self.registry}/paddle/{pushed_as}"
        named = reference(self.images, image, repository)
        if not self.offline:
            command = f"./bazelw run {push} -- --repository {repository}"
            check_pushed(self.skopeo, named, command)
        return named

    def filled(self, image: str, values: dict[str, str]) -> str:
        """The template with that image, what is given here, and other values."""
        secrets = [{"name": secret} for secret in self.pull_secret]
        ours = {
            "cpus": str(self.cpus),
            "gpus": str(self.gpus),
            "image": image,
            "memory": self.memory,
            "name": self.name,
            "namespace": self.namespace or "",
            "pull_secrets": json.dumps(secrets) if secrets else "",
        }
        return filled(self.template, ours | values)


def reference(images: tuple[str, ...], name: str, repository: str) -> str:
    """The reference by digest of a built image: REPOSITORY@sha256:...

    Args:
        images: `NAME=DIGEST_FILE`, as `deploy_manifest` gives them.
        name: one of these names.
        repository: where the image was pushed to, such as registry.example.org:5000/team/train.
    """
    files = dict(image.split("=", 1) for image in images)
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

    Where a value is empty, with quotes or without, a line `key: $name` goes, and a document that
    begins with `--- # only with $name`.
    """
    source = template.read_text(encoding="utf-8")
    if unused := set(values) - set(string.Template(source).get_identifiers()):
        raise click.UsageError(f"{template} has no place for {', '.join(sorted(unused))}.")
    for name in (name for name, value in values.items() if not value):
        document = rf"^--- # only with \${name}\n(?:(?!---).*\n)*"
        source = re.sub(document, "", source, flags=re.MULTILINE)
        source = re.sub(rf'^ *\w+: ("?)\${name}\1\n', "", source, flags=re.MULTILINE)
    try:
        return string.Template(source).substitute(values)
    except KeyError as missing:
        raise click.UsageError(f"{template} asks for ${missing.args[0]}.") from missing
