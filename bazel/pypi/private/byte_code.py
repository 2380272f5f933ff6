"""Compiles Python modules, each in a process that has compiled nothing else.

The bytes that CPython writes of a code object depend on more than the source: equal constants are
one object or two, as the process has their strings already or not. ftplib of the standard library
compiles to other bytes where ftplib has been imported. So each module is compiled in a fork of a
process (`python -I -S` of this file) that has loaded nothing but what the head of this file names.
"""

import marshal
import os
import sys
from collections.abc import Iterable


def compiled(modules: Iterable[tuple[str, bytes]]) -> list[bytes]:
    """The .pyc files of (name of the source in tracebacks, source); empty where one is no Python.

    Python trusts them without a look at the source (PEP 552, unchecked hashes): dates of files are
    the same everywhere only if they are all one.
    """
    import subprocess  # here, to be no part of the process that compiles

    command = [sys.executable, "-I", "-S", "-W", "ignore", __file__]
    told = marshal.dumps([(name.encode(), source) for name, source in modules])
    done = subprocess.run(command, input=told, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    result: list[bytes] = marshal.loads(done.stdout)
    return result


def _code(name: bytes, source: bytes) -> bytes:
    # Variables, as in py_compile: the bytes tell whether an object has a second user.
    file = name.decode()
    try:
        code = compile(source, file, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        # A template, or of another Python: pip leaves it, too.
        return b""
    return marshal.dumps(code)


def _start(name: bytes, source: bytes) -> tuple[bytes, int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return name, pid, reader
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(_code(name, source))
    os._exit(0)


def _finish(name: bytes, pid: int, reader: int) -> bytes:
    with os.fdopen(reader, "rb") as pipe:
        code = pipe.read()
    if status := os.waitpid(pid, 0)[1]:
        sys.exit(f"{name.decode()}: the process that compiles it ended with status {status}")
    return code


def main() -> None:
    modules = marshal.load(sys.stdin.buffer)
    running: list[tuple[bytes, int, int]] = []
    codes: list[bytes] = []
    for name, source in modules:
        if len(running) == len(os.sched_getaffinity(0)):
            codes.append(_finish(*running.pop(0)))
        running.append(_start(name, source))
    codes += [_finish(*process) for process in running]

    import importlib.util  # here, for the same reason

    unchecked = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    files = [
        code and unchecked + importlib.util.source_hash(source) + code
        for (_, source), code in zip(modules, codes, strict=True)
    ]
    marshal.dump(files, sys.stdout.buffer)


if __name__ == "__main__":
    main()
