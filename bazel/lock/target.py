"""What wheels must run on: CPython and glibc of the table, on each of its machines."""

from __future__ import annotations

import functools

from packaging import tags

from bazel.platforms.table import BASE, DEBIAN, MACHINES, PYTHON_FULL_VERSION, PYTHON_VERSION

# Those that may have another file than an entry's own, which is the base's.
OTHERS = [name for name in MACHINES if name != BASE]

_GLIBC = int(DEBIAN["glibc"].removeprefix("2."))

ABI = f"cp{PYTHON_VERSION.replace('.', '')}"


def platforms(machine: str) -> list[str]:
    """What wheels call a machine, the newest glibc first.

    https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
    """
    cpu = MACHINES[machine]["cpu"]
    return [
        *(f"manylinux_2_{minor}_{cpu}" for minor in range(_GLIBC, 4, -1)),
        *(f"{legacy}_{cpu}" for legacy in MACHINES[machine]["manylinux"]),
        f"linux_{cpu}",
    ]


def markers(machine: str) -> dict[str, str]:
    """What requirements may ask of a machine.

    https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers
    """
    return {
        "implementation_name": "cpython",
        "implementation_version": PYTHON_FULL_VERSION,
        "os_name": "posix",
        "platform_machine": MACHINES[machine]["cpu"],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": PYTHON_FULL_VERSION,
        "python_version": PYTHON_VERSION,
        "sys_platform": "linux",
    }


def words(machine: str) -> str:
    cpu = MACHINES[machine]["cpu"]
    return f"CPython {PYTHON_VERSION} on manylinux {cpu.replace('_', '-')}"


@functools.cache
def supported_tags(machine: str) -> frozenset[tags.Tag]:
    """The tags of wheels that run on a machine."""
    version = [int(part) for part in PYTHON_VERSION.split(".")]
    return frozenset(
        [
            *tags.cpython_tags(version, [ABI], platforms(machine)),
            *tags.compatible_tags(version, ABI, platforms(machine)),
        ]
    )
