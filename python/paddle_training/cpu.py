"""What Paddle needs of a CPU, asked before Paddle is imported."""

from __future__ import annotations

import ctypes
import os
import sys

_SENTENCE = (
    "This CPU has no AVX instructions, which Paddle needs. In a virtual machine, give it the CPU "
    "of its host (QEMU: -cpu host, libvirt: <cpu mode='host-passthrough'/>); else take a machine "
    "that has them."
)
_LEAF_1, _ECX, _AVX = 0, 2, 1 << 28


class _Feature(ctypes.Structure):
    """struct cpuid_feature of sys/platform/x86.h: EAX, EBX, ECX, EDX twice."""

    _fields_ = (("cpuid", ctypes.c_uint * 4), ("active", ctypes.c_uint * 4))


def need_avx() -> None:
    """Ends the program in a sentence where `import paddle` would end it with signal 4."""
    if os.uname().machine != "x86_64":
        return
    feature = ctypes.CDLL(None)["__x86_get_cpuid_feature_leaf"]
    feature.restype = ctypes.POINTER(_Feature)
    if not feature(_LEAF_1).contents.active[_ECX] & _AVX:
        sys.exit(_SENTENCE)
