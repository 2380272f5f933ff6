"""Lets a program of build actions stay, so that the next action need not start and import it again.

Bazel's protocol of persistent workers in its JSON form (https://bazel.build/remote/creating): a
request a line on standard input, an answer a line on standard output. The starts are a fifth of the
time from an edit to a pushed image.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Calls `main` with the arguments of the command line, or of one request after the other.

    In both, arguments come in a file, one a line, that the command line names as @FILE; rules give
    them so. What `main` knows at the end of a request it must not use in the next.
    """
    if "--persistent_worker" not in sys.argv:
        (file,) = sys.argv[1:]
        sys.exit(main(Path(file.removeprefix("@")).read_text().splitlines()))
    answers = sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = main(request["arguments"])
            except Exception:
                traceback.print_exc()
                code = 1
            except SystemExit as error:  # of argparse
                code = error.code if isinstance(error.code, int) else 1
        answer = {
            "exitCode": code,
            "output": said.getvalue(),
            "requestId": request.get("requestId", 0),
        }
        print(json.dumps(answer), file=answers, flush=True)
    sys.exit(0)
