"""A library with compressed GPU code is the library that it was."""

import ctypes
import itertools
import os
import struct
import subprocess
from pathlib import Path

import pytest

from bazel.paddle.private import gpu_code

PROBE = Path(os.environ["PROBE"])


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "libprobe.so"
    gpu_code.rewrite(PROBE, out)
    return out


def fat_binary(library: ctypes.CDLL, index: int) -> bytes:
    """A fat binary as the CUDA runtime finds it: where the wrapper points to."""
    library.FatBinary.restype = ctypes.c_void_p
    address = library.FatBinary(index)
    _, _, header, size = struct.unpack("<IHHQ", ctypes.string_at(address, 16))
    return ctypes.string_at(address, header + size)


def code(fatbin: bytes) -> list[tuple[int, bytes]]:
    """Architecture and code of each element, unpacked."""
    return [(f[8], gpu_code.unpacked(f, data)) for f, _, data in gpu_code.elements(fatbin)]


@pytest.mark.parametrize("index", [0, 1])
def test_the_code_is_the_same_where_the_runtime_looks_for_it(packed: Path, index: int) -> None:
    was, now = (fat_binary(ctypes.CDLL(str(path)), index) for path in (PROBE.absolute(), packed))
    assert code(was)
    assert code(now) == code(was)
    assert len(now) < len(was)


def test_an_element_that_would_grow_stays(packed: Path) -> None:
    found = list(gpu_code.elements(fat_binary(ctypes.CDLL(str(packed)), 0)))
    assert [bool(fields[11] & 0x2000) for fields, _, _ in found] == [True, False]


def test_what_lies_behind_the_code_works(packed: Path) -> None:
    """In a process of its own: a wrong table of exceptions ends it."""
    call = f"import ctypes; print(ctypes.CDLL({str(packed)!r}).ThrowAndCatch(41))"
    done = subprocess.run(
        [os.environ["PYTHON"], "-c", call], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_the_file_is_smaller_and_its_headers_are_true(packed: Path) -> None:
    assert packed.stat().st_size < PROBE.stat().st_size - 40_000
    data = packed.read_bytes()
    for section in gpu_code.sections(data):
        assert section.kind == 8 or section.offset + section.size <= len(data)
    loads = [s for s in gpu_code.segments(data) if s.kind == 1]
    assert all(s.offset % 0x1000 == s.address % 0x1000 for s in loads)
    assert all(a.address + a.memory_size <= b.address for a, b in itertools.pairwise(loads))


def test_the_bytes_are_the_same_every_time(packed: Path, tmp_path: Path) -> None:
    gpu_code.rewrite(PROBE, tmp_path / "again.so")
    assert (tmp_path / "again.so").read_bytes() == packed.read_bytes()


def test_a_library_without_gpu_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gpu_code.GpuCodeError, match="no GPU code"):
        gpu_code.rewrite(Path(os.environ["PLAIN"]), tmp_path / "out.so")


def test_a_pointer_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """Compressed all the same, it would point to something else."""
    data = bytearray(PROBE.read_bytes())
    rela = next(s for s in gpu_code.sections(bytes(data)) if s.name == ".rela.dyn")
    code_section = next(s for s in gpu_code.sections(bytes(data)) if s.name == ".nv_fatbin")
    for at in range(rela.offset, rela.offset + rela.size, 24):
        place, info, target = struct.unpack_from("<QQq", data, at)
        if code_section.address <= target < code_section.address + code_section.size:
            struct.pack_into("<QQq", data, at, place, info, target + 16)
    broken = tmp_path / "broken.so"
    broken.write_bytes(data)
    with pytest.raises(gpu_code.GpuCodeError, match="unknown pointer"):
        gpu_code.rewrite(broken, tmp_path / "out.so")
