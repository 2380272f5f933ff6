"""`pip install` whose report has the sha256 of each file.

Of the hashes that an index gives for a file pip knows the first one; locks have
sha256. A file without one is hashed after it was downloaded.
"""

from __future__ import annotations

import sys
from typing import Any

from pip._internal.cli.main import main
from pip._internal.models.link import Link

_init = Link.__init__


def _with_sha256_alone(link: Link, *args: Any, **kwargs: Any) -> None:
    _init(link, *args, **kwargs)
    link._hashes = {kind: value for kind, value in link._hashes.items() if kind == "sha256"}


# Of pip-compile, too, which imports this.
Link.__init__ = _with_sha256_alone  # type: ignore[assignment,method-assign]

if __name__ == "__main__":
    sys.exit(main(["install", *sys.argv[1:]]))
