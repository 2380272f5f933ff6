"""NAME=VALUE words of command lines."""

from __future__ import annotations

from pathlib import Path

import click


def pairs(
    _context: click.Context, option: click.Parameter, items: tuple[str, ...]
) -> dict[str, str]:
    """From ("accuracy=0.97",) to {"accuracy": "0.97"}."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise click.BadParameter(f"{item!r} is not NAME=VALUE", param=option)
        found[name] = value
    return found


def files(
    context: click.Context, option: click.Parameter, items: tuple[str, ...]
) -> dict[str, Path]:
    """The same of files."""
    return {name: Path(path) for name, path in pairs(context, option, items).items()}
