"""Fails if a symbol crosses between a program and the engine: isolation.py PROGRAM [ARGUMENT...].

libpaddle.so exports 220,000 names, among them whole copies of protobuf, OpenSSL,
zlib, gflags and glog. Where the program or another library has the same name, the
loader gives both sides the one it meets first: code of one version then works on
the data of another, which crashes or, worse, does not. So the program is run with
every symbol bound at start (LD_BIND_NOW) and the loader telling each binding
(LD_DEBUG=bindings); what is read there holds for every path through the code.

Allowed between the two sides:
- the program uses the engine's API: names in the namespaces paddle, paddle_infer
  and phi;
- both use the system's libraries, those that libpaddle.so itself needs. One of them
  (libz) finds its own functions in the engine's copies; so nobody else may use it;
- a variable of a system library (stderr, a vtable of libstdc++) that the linker
  copied into the program, where everyone then finds it: a copy relocation. The log
  shows it as bound twice, by the program to the library and by others to the program;
- shared libraries, of either side, take one another's instances of std:: templates:
  the same template for the same types has one layout in every version of libstdc++.
  Not so where a type of another library is in it. The program's own are hidden.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# Of //bazel/platforms:paddle.bzl.
ENGINE = frozenset(os.environ["ENGINE_LIBRARIES"].split())

# What the libraries of the engine need of the system.
SYSTEM = {
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libgomp.so.1",
    "libjemalloc.so.2",  # where a program has it, everyone's malloc in libc's place
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libz.so.1",
}

# Members and functions of the API: _ZN[K] and the namespace's length and name. In
# templates the return type comes first, but the name still comes at the front. And
# the engine's own count of what it has logged.
_API = re.compile(
    r"_ZN[VK]*(6paddle|12paddle_infer|3phi)\d|_ZN6google10LogMessage12num_messagesEi$"
)

# A mangled name in namespace std, and one with a name of another scope in it.
_STD = re.compile(r"_Z(T[VISTC]|GV)?(N[VK]*)?S[absiodt]")
_FOREIGN = re.compile(r"N[VK]*\d+(?!__gnu_cxx|__cxxabi)|I\d")

_BINDING = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: \w+ symbol `([^']+)'")


class Binding(NamedTuple):
    """The loader gave `user` the symbol of `provider`; both are file names."""

    user: str
    provider: str
    symbol: str


def parse(log: Iterable[str]) -> set[Binding]:
    """Reads the loader's log; bindings of a file to itself are left out."""
    bindings = set()
    for line in log:
        if match := _BINDING.search(line):
            user, provider = (Path(match[i]).name for i in (1, 2))
            if user != provider:
                bindings.add(Binding(user, provider, match[3]))
    return bindings


def _is_std(symbol: str) -> bool:
    return bool(_STD.match(symbol)) and not _FOREIGN.search(symbol)


def crossings(bindings: set[Binding], program: str) -> list[str]:
    """Returns one sentence for each binding that must not be."""
    found = []
    copied = {b.symbol for b in bindings if b.user == program and b.provider in SYSTEM}
    leaking = {b.user for b in bindings if b.user in SYSTEM and b.provider in ENGINE}
    for user, provider, symbol in sorted(bindings):
        ours = {user, provider} - ENGINE - SYSTEM - {program}
        if user in ENGINE and provider == program:
            if symbol not in copied:
                found.append(f"{user} uses {symbol} of the program")
        elif user == program and provider in ENGINE:
            if not _API.match(symbol):
                found.append(f"the program uses {symbol} of {provider}, which is not its API")
        elif ours and {user, provider} & ENGINE:
            if not _is_std(symbol):
                found.append(f"{user} uses {symbol} of {provider}")
        elif provider in leaking and user not in ENGINE:
            found.append(f"{user} uses {symbol} of {provider}, which calls the engine's copies")
    return found


def run(command: list[str]) -> tuple[int, set[Binding]]:
    """Runs the command and returns its exit code and the bindings in it."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        environment = os.environ | {
            "LD_BIND_NOW": "1",
            "LD_DEBUG": "bindings",
            "LD_DEBUG_OUTPUT": str(log),
        }
        code = subprocess.run(command, env=environment, check=False).returncode
        bindings: set[Binding] = set()
        # One log for each process: the launcher is a script that starts others before.
        for path in Path(directory).iterdir():
            with path.open(encoding="utf-8", errors="replace") as lines:
                logged = parse(lines)
            if any(binding.user in ENGINE for binding in logged):
                bindings |= logged
    return code, bindings


def main() -> None:
    """Runs the program, reports, and exits with 1 if something crosses."""
    launcher, program, *arguments = sys.argv[1:]
    code, bindings = run([launcher, program, *arguments])
    if code != 0:
        sys.exit(f"The program failed with exit code {code}; nothing was checked.")
    name = Path(program).name
    api = sum(b.user == name and b.provider in ENGINE for b in bindings)
    if api == 0:
        sys.exit("The program did not use the engine; nothing was checked.")
    found = crossings(bindings, name)
    for sentence in found:
        print("CROSSES:", sentence)
    print(f"{len(bindings)} bindings between files, {api} to the engine's API, {len(found)} cross.")
    if found:
        sys.exit(
            "Link the library that the names belong to statically, by a paddle_cc_binary of "
            "@paddle//:defs.bzl: it hides them. docs/engine.md says why."
        )


if __name__ == "__main__":
    main()
