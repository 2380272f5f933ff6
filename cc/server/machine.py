"""Serves on a machine of its own and prints what its health check and a client say of it, as JSON.

usage: unshare --user --map-root-user --net --pid --fork --mount-proc
       python -m cc.server.machine KIND IP FLAG...

KIND: `ipv6-only` has the address ::1 alone; in `no-ipv6` the kernel refuses sockets of IPv6, as
when booted with ipv6.disable=1; `both` is neither.
"""

import ctypes
import http.client
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

from cc.server.serving import program, read_log_until

# BPF: load a word of the call's data, jump if equal, return.
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_SOCKET, _AF_INET6, _EAFNOSUPPORT = 41, 10, 97
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def refuse_ipv6() -> None:
    """By a seccomp filter on socket(2), for this process and those that it starts."""
    rules = [
        (_LOAD, 0, 0, 0),  # which call
        (_EQUAL, 0, 3, _SOCKET),
        (_LOAD, 0, 0, 16),  # its first argument
        (_EQUAL, 0, 1, _AF_INET6),
        (_RETURN, 0, 0, _ERRNO | _EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((38, 1, 0, 0, 0), (22, 2, program)):  # no new privileges; the filter
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), f"prctl{words}")


def ask(host: str, port: int) -> int | str:
    """The status of readiness, or why there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status
    except OSError as error:
        return str(error)
    finally:
        connection.close()


def main(kind: str, ip: str, *flags: str) -> None:
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)
    if kind == "ipv6-only":
        subprocess.run([ip, "address", "del", "127.0.0.1/8", "dev", "lo"], check=True)
    if kind == "no-ipv6":
        refuse_ipv6()
    command = [*program(), "serve", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        log = read_log_until("ready", process)
        (listening,) = (line for line in log if line["msg"] == "listening")
        # Which knows nothing but the server's process.
        check = subprocess.run(
            [*(str(Path(word).absolute()) for word in program()), "healthcheck"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={k: v for k, v in os.environ.items() if not k.startswith("PADDLE_SERVER_")},
        )
        told = {
            "host": listening["host"],
            "healthcheck": check.returncode,
            "stderr": check.stderr,
            "answers": {host: ask(host, listening["port"]) for host in ("127.0.0.1", "::1")},
        }
        process.kill()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
