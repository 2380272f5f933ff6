"""Runs a command on two machines: network namespaces that a cable (veth) joins, and nothing else.

usage: unshare --user --map-root-user --net two_machines.py IP UNSHARE COMMAND...

The machines have the addresses of HOSTS. As in the pods of a Volcano Job, VC_WORKER_HOSTS lists
them and VC_TASK_INDEX is the machine's number. The exit code is 1 if the command fails on either.
"""

import os
import socket
import subprocess
import sys
import time

HOSTS = ("10.7.0.1", "10.7.0.2")
CABLE = "cable0"


def run_here(ip: str, number: int, command: list[str]) -> int:
    """Brings the network up and runs the command as on machine `number`."""
    while CABLE not in [name for _, name in socket.if_nameindex()]:
        time.sleep(0.05)
    for words in (
        ["link", "set", "lo", "up"],
        ["address", "add", f"{HOSTS[number]}/24", "dev", CABLE],
        ["link", "set", CABLE, "up"],
    ):
        subprocess.run([ip, *words], check=True)
    volcano = {"VC_WORKER_HOSTS": ",".join(HOSTS), "VC_TASK_INDEX": str(number)}
    return subprocess.run(command, env=os.environ | volcano, check=False).returncode


def main() -> int:
    ip, unshare, *command = sys.argv[1:]
    if unshare == "second":
        return run_here(ip, 1, command)
    itself = [sys.executable, __file__, ip, "second"]
    with subprocess.Popen([unshare, "--net", *itself, *command]) as second:
        here = os.readlink("/proc/self/ns/net")  # noqa: PTH115  # not a path to a file
        while os.readlink(f"/proc/{second.pid}/ns/net") == here:  # noqa: PTH115
            time.sleep(0.05)
        add = [ip, "link", "add", CABLE, "type", "veth", "peer", "name", CABLE]
        subprocess.run([*add, "netns", str(second.pid)], check=True)
        failed = run_here(ip, 0, command)
    return 1 if failed or second.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
