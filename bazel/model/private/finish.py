"""Turns what a trainer wrote into a model with its card, and refuses one that nobody should ship.

The second action of paddle_model. Exits 1 with the reason on stderr.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import paddle_engine

from bazel.model.private import card, words
from paddle_training import export

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def shortfalls(metrics: Mapping[str, float], require: Mapping[str, str]) -> list[str]:
    """A sentence for each metric that is missing or not as required.

    A bound is "0.97" or ">= 0.97" (at least), or "<= 0.3" (at most).
    """
    found = []
    for metric, bound in require.items():
        at_most = bound.startswith("<=")
        try:
            limit = float(bound.removeprefix("<=").removeprefix(">="))
        except ValueError as error:
            raise export.ModelError(
                f'require = {{"{metric}": "{bound}"}} is no bound: '
                'write 0.97, ">= 0.97" or "<= 0.3"'
            ) from error
        if metric not in metrics:
            has = ", ".join(metrics) or "none"
            found.append(
                f"{metric} must be at {'most' if at_most else 'least'} {limit:.6g}, but the "
                f"trainer's metadata.json has no metric of that name (it has: {has})."
            )
            continue
        value = metrics[metric]
        fits = value <= limit if at_most else value >= limit  # NaN fits neither
        if not fits:
            asked = bound if bound[0] not in "<>" else f'"{bound}"'
            found.append(
                f"{metric} is {value:.6g}, {abs(limit - value):.6g} "
                f"{'above' if at_most else 'below'} the {limit:.6g} that "
                f'require = {{"{metric}": {asked}}} asks for.'
            )
    return found


def code_digest(
    sources: Iterable[Path],
    repositories: Iterable[str],
    wheels: Mapping[str, Path],
    debian: Mapping[str, Path],
) -> str:
    """The digest of the program that trained: of a list in sha256sum's format.

    It lists the program's own source files by path, then the wheels and the Debian packages that
    it runs on.

    Args:
        sources: relative paths.
        repositories: Bazel's names of the repositories that the program has files of; those of the
            locks end in HUB_WHEEL or HUB_SET.
        wheels: hub -> its wheels_lock.json.
        debian: hub -> its debian_lock.json.
    """
    known = {name.replace("+", "~").split("~")[-1] for name in repositories}
    lines = [f"{hashlib.sha256(s.read_bytes()).hexdigest()}  {s}" for s in sorted(set(sources))]
    lines += [
        f"{wheel['sha256']}  {wheel['file']}"
        for hub, lock in wheels.items()
        for wheel in json.loads(lock.read_text(encoding="utf-8"))["wheels"]
        if f"{hub}_{wheel['name']}" in known
    ]
    lines += [
        f"{package['sha256']}  {package['pool']}"
        for hub, lock in debian.items()
        for package in json.loads(lock.read_text(encoding="utf-8"))["packages"]
        if known.intersection(f"{hub}_{s}" for s in package["sets"])
    ]
    listing = "".join(f"{line}\n" for line in lines)
    return f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


def ranges(model: Path) -> dict[str, tuple[int, int]]:
    """What the values of inputs must be, as the engine finds it in the program."""
    try:
        inputs = paddle_engine.Engine(model).inputs
    except (paddle_engine.EngineError, OSError, ValueError) as error:
        raise export.ModelError(f"the engine does not take the model: {error}") from error
    return {spec.name: spec.range for spec in inputs if spec.range is not None}


@click.command(help=__doc__)
@click.option("--label", required=True, help="Who asks: begins every message.")
@click.option("--name", required=True, help="Name of the model.")
@click.option("--raw", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--require", multiple=True, callback=words.pairs, help="METRIC=BOUND")
@click.option(
    "--setting", multiple=True, callback=words.pairs, help="NAME=VALUE, for the metadata."
)
@click.option("--source", multiple=True, type=_FILE, help="A source file of the trainer.")
@click.option("--repository", multiple=True, help="A repository that the trainer has files of.")
@click.option("--wheels", multiple=True, callback=words.files, help="HUB=wheels_lock.json")
@click.option("--debian", multiple=True, callback=words.files, help="HUB=debian_lock.json")
@click.option("--samples", is_flag=True, help="Whether there are golden inputs and outputs.")
def main(
    label: str,
    name: str,
    raw: Path,
    out: Path,
    require: dict[str, str],
    setting: dict[str, str],
    source: tuple[Path, ...],
    repository: tuple[str, ...],
    wheels: dict[str, Path],
    debian: dict[str, Path],
    samples: bool,
) -> None:
    """Finishes and checks; its help text is this file's."""
    try:
        code = code_digest(source, repository, wheels, debian)
        metadata = export.finish(raw, out, name, setting, code, ranges)
        short = shortfalls(metadata["metrics"], require)
    except export.ModelError as error:
        sys.exit(f"{label}: {error}")
    if short:
        sys.exit(
            "\n".join(f"{label}: {sentence}" for sentence in short)
            + "\nTrain longer or better (args of the paddle_model), or ask for less."
        )
    if paths := export.build_paths(out):
        sys.exit(
            f"{label}: the model tells where it was built, so no other site gets these bits:\n  "
            + "\n  ".join(paths[:10])
            + "\nKeep paths out of names, attributes and metadata.json in the trainer."
        )
    (out / export.CARD).write_text(card.write(metadata, require, label, samples), encoding="utf-8")


if __name__ == "__main__":
    main()
