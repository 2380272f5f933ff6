"""A module that a program imports and that is not there: told in a sentence, not by a trace."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType


def tell() -> None:
    """From now on, if nobody else has taken care of how errors are told."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        sys.__excepthook__(kind, error, trace)
        return
    frames = [f for f in traceback.extract_tb(trace) if not f.filename.startswith("<frozen ")]
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    print(
        f"{where}there is no module {error.name}. In a build, put what has it into `deps` of the "
        f'program: a wheel is "@pypi//NAME" there (one that is new goes into requirements.in '
        "first, then `./bazelw run //:lock`). In an image, a layer has to have it: docs/images.md.",
        file=sys.stderr,
    )
