#!/usr/bin/python3
"""What `pip` and `python -m pip` say in an image that takes no packages while it runs."""

from __future__ import annotations

import os
import shlex
import sys

SENTENCES = """\
pip: this image takes no packages while it runs. For an afternoon, fetch them where there is a pip:

  pip install --target wheels --only-binary :all: --python-version 3.11 \\
    --platform manylinux2014_{machine} --platform manylinux_2_28_{machine} {words}

and start the image with the folder at /wheels (`docker run -v $PWD/wheels:/wheels ...`): what is
there can be imported, unless the image has a package of that name. To keep it, make an image of
your own: docs/images.md of paddle_images.
"""


def main(arguments: list[str]) -> int:
    """Tells what to do instead, with the words that were typed."""
    # Of the options, pip takes this one with no --target.
    words = [word for word in arguments[1:] if word != "--user"]
    install = arguments[:1] == ["install"]
    named = shlex.join(words if install else []) or "NAME"
    print(SENTENCES.format(machine=os.uname().machine, words=named), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
