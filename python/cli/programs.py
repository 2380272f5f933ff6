"""A command of many programs, each of which is imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import click

Command = Callable[[], click.Command]


def module(name: str) -> Command:
    """The click command `main` of a module."""

    def load() -> click.Command:
        command = importlib.import_module(name).main
        assert isinstance(command, click.Command)
        return command

    return load


class Programs(click.Group):
    """Commands by name; without one of them it tells of them all, which is no failure."""

    def __init__(self, name: str, commands: Mapping[str, Command], help: str, epilog: str) -> None:
        super().__init__(
            name,
            help=help,
            epilog=epilog,
            invoke_without_command=True,
            callback=self._tell,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._loaders = dict(commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._loaders)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        load = self._loaders.get(cmd_name)
        return load() if load else None

    @staticmethod
    def _tell() -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is None:
            click.echo(context.get_help())


def in_image(variable: str, *parts: str) -> str | None:
    """A path below the volume that a variable of the image names; None outside of images."""
    volume = os.environ.get(variable)
    return str(Path(volume, *parts)) if volume else None


def need_home() -> None:
    """Sees to a HOME that can be written: libraries keep settings and caches there.

    A container may run as a user that its image does not know, on a root that is read-only.
    """
    home = os.environ.get("HOME", "")
    if home and os.access(home, os.W_OK):
        return
    os.environ["HOME"] = tempfile.mkdtemp(prefix="home_")
    print(
        f"HOME={home or '(empty)'} cannot be written by user {os.getuid()}: settings and caches go "
        f"to {os.environ['HOME']} and are lost at the end. Mount a volume at {home or '/home'}.",
        file=sys.stderr,
    )
