"""What wheels must run on: CPython and glibc of the table, on one of its machines."""

from __future__ import annotations

import functools

from packaging import tags

from bazel.platforms.table import DEBIAN, MACHINES, PYTHON_FULL_VERSION, PYTHON_VERSION

MACHINE = MACHINES["amd64"]
_CPU, _GLIBC = MACHINE["cpu"], int(DEBIAN["glibc"].removeprefix("2."))

ABI = f"cp{PYTHON_VERSION.replace('.', '')}"
# https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
PLATFORMS = [
    *(f"manylinux_2_{minor}_{_CPU}" for minor in range(_GLIBC, 4, -1)),
    *(f"{legacy}_{_CPU}" for legacy in MACHINE["manylinux"]),
    f"linux_{_CPU}",
]
# https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": PYTHON_FULL_VERSION,
    "os_name": "posix",
    "platform_machine": _CPU,
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": PYTHON_FULL_VERSION,
    "python_version": PYTHON_VERSION,
    "sys_platform": "linux",
}
WORDS = f"CPython {PYTHON_VERSION} on manylinux {_CPU.replace('_', '-')}"


@functools.cache
def supported_tags() -> frozenset[tags.Tag]:
    """The tags of wheels that run on what we build and ship."""
    version = [int(part) for part in PYTHON_VERSION.split(".")]
    return frozenset(
        [
            *tags.cpython_tags(version, [ABI], PLATFORMS),
            *tags.compatible_tags(version, ABI, PLATFORMS),
        ]
    )
