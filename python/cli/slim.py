"""`slim NAME`: the programs that make models smaller, behind one command."""

from __future__ import annotations

import sys
from pathlib import Path

# A script's folder is the first on its path: there `slim` would be this file, not the package.
sys.path[:] = [folder for folder in sys.path if Path(folder) != Path(__file__).parent]

from cli.programs import Programs, module, need_home  # noqa: E402
from paddle_training import cpu  # noqa: E402

PROGRAMS = {name: module(f"slim.{name}") for name in ("quantize", "prune", "distill", "qat")}

HELP = """Makes a trained model smaller and quicker: by int8, or by fewer channels."""

EPILOG = """\b
How to go on:
  slim quantize --help      what a program can be told
  slim quantize digits --model /models/digits/1 --out /models/digits/2
                            version 2 of a served model, in int8
  docker run -v models:/models IMAGE quantize digits --model ... --out ...
                            the same in a container
"""

main = Programs("slim", PROGRAMS, HELP, EPILOG)


if __name__ == "__main__":
    cpu.need_avx()
    need_home()
    main(prog_name="slim")
