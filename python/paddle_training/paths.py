"""Paths that users give: relative ones start where the user stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class UserPath(click.Path):
    """click.Path for a user who need not stand where the program was started.

    `bazel run` starts programs in a folder of its own, and tells where the user stands.
    """

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        start = os.environ.get("BUILD_WORKING_DIRECTORY", "")
        return super().convert(Path(start, value), param, ctx)


def brought_along(variable: str) -> Callable[[], str | None]:
    """The default of an option: a path, from where the program was started, in a variable."""

    def default() -> str | None:
        path = os.environ.get(variable)
        return str(Path(path).absolute()) if path else None

    return default
