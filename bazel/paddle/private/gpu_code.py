"""Compresses the GPU code in a shared library: gpu_code.py LIBRARY OUTPUT.

nvcc puts code for each kind of GPU into the section `.nv_fatbin`. NVIDIA compresses it in its own
libraries (cuDNN, cuBLAS, NCCL), as `nvcc -Xfatbin -compress-all` does; Paddle's libraries have it
plain, 2 GB of it. This writes the library that nvcc would have made with that flag: the driver
unpacks a kernel's code when it loads it, as it does for cuDNN's. No code for any GPU is lost.

A fat binary is a header of 16 bytes (magic, version, size of the header, size of what follows) and
elements, each with a header of its own, whose fields are named in `_ELEMENT`. Compressed elements
are LZ4 blocks. Both kinds stand side by side in Paddle's libphi.so, which links some of NVIDIA's
static libraries, so the fields could be read there.

All addresses of the library stay: fat binaries are found by pointers in `.nvFatBinSegment`, which
the loader fills in by relocations, and these are changed. What is saved becomes a hole between two
loaded segments.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import lz4.block

FATBIN_MAGIC = 0xBA55ED50
_FATBIN = struct.Struct("<IHHQ")
# Kind, unknown, size of the header, size of the data, of it the compressed part, then offset of
# options, version of the format, architecture, name, flags, unknown, size when unpacked.
_ELEMENT = struct.Struct("<HHIQIIHHIIIQQQ")
_COMPRESSED = 0x2000
# 3.4 times smaller at 37 MB/s a core; level 9 gives 3.6 at 15 MB/s.
_LEVEL = 3

_PAGE = 0x1000
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_RELOCATION = struct.Struct("<QQq")
_SYMBOL = struct.Struct("<IBBHQQ")
_PT_LOAD = 1
_SHT_RELA, _SHT_DYNSYM = 4, 11
_R_X86_64_RELATIVE = 8


class GpuCodeError(Exception):
    """What this program does not know of a library."""


@dataclass
class Section:
    """A section header: its place in the table, its name, and what is changed here."""

    index: int
    name: str
    kind: int
    address: int
    offset: int
    size: int


@dataclass
class Segment:
    """A program header."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int

    def pack(self) -> bytes:
        return _SEGMENT.pack(
            *(self.kind, self.flags, self.offset, self.address, self.address),
            *(self.file_size, self.memory_size, self.align),
        )


Data = bytes | mmap.mmap


def sections(data: Data) -> list[Section]:
    """The section headers of a 64-bit ELF file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise GpuCodeError("it is no ELF file of 64 bits")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    rows = [_SECTION.unpack_from(data, table + i * size) for i in range(count)]
    start = rows[names][4]
    found = []
    for index, row in enumerate(rows):
        at = start + row[0]
        name = data[at : data.find(b"\0", at)].decode()
        found.append(Section(index, name, row[1], row[3], row[4], row[5]))
    return found


def segments(data: Data) -> list[Segment]:
    """The program headers of a 64-bit ELF file."""
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    rows = [_SEGMENT.unpack_from(data, table + i * size) for i in range(count)]
    return [Segment(*row[:4], *row[5:]) for row in rows]


def fatbins(data: Data, start: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and size of each fat binary in a range of a file."""
    at = start
    while at < start + size:
        magic, _, header, body = _FATBIN.unpack_from(data, at)
        if magic != FATBIN_MAGIC or at + header + body > start + size:
            raise GpuCodeError(f"no fat binary is at {at:#x}, where the one before ends")
        yield at, header + body
        at += header + body


def elements(fatbin: bytes) -> Iterator[tuple[tuple[int, ...], bytes, bytes]]:
    """The elements of a fat binary: fields of the header, what follows in the header, data."""
    _, _, at, size = _FATBIN.unpack_from(fatbin)
    end = at + size
    while at < end:
        fields = _ELEMENT.unpack_from(fatbin, at)
        body = at + fields[2]
        yield fields, fatbin[at + _ELEMENT.size : body], fatbin[body : body + fields[3]]
        at = body + fields[3]
    if at != end:
        raise GpuCodeError(f"the elements of a fat binary end at {at}, not at {end}")


def unpacked(fields: tuple[int, ...], data: bytes) -> bytes:
    """The code of an element."""
    if fields[11] & _COMPRESSED:
        return bytes(lz4.block.decompress(data[: fields[4]], uncompressed_size=fields[13]))
    return data


def compress(fatbin: bytes) -> bytes:
    """The same fat binary with every element compressed that becomes smaller by it."""
    magic, version, header, _ = _FATBIN.unpack_from(fatbin)
    parts = []
    for fields, more, data in elements(fatbin):
        if fields[4] == 0 and not fields[11] & _COMPRESSED:
            packed = lz4.block.compress(
                data, mode="high_compression", compression=_LEVEL, store_size=False
            )
            padded = packed + bytes(-len(packed) % 8)
            if len(padded) < len(data):
                changed = list(fields)
                changed[3], changed[4] = len(padded), len(packed)
                changed[11] |= _COMPRESSED
                changed[13] = len(data)
                if unpacked(tuple(changed), padded) != data:
                    raise GpuCodeError("a compressed element does not unpack to what it was")
                parts.append(_ELEMENT.pack(*changed) + more + padded)
                continue
        parts.append(_ELEMENT.pack(*fields) + more + data)
    body = b"".join(parts)
    return _FATBIN.pack(magic, version, header, len(body)) + fatbin[_FATBIN.size : header] + body


def _moved_pointers(
    data: Data, found: list[Section], code: Section, moved: dict[int, int]
) -> dict[int, bytes]:
    """Offset -> bytes, of the relocations that point to fat binaries."""
    changes = {}
    wrappers = [s for s in found if s.name == ".nvFatBinSegment"]
    pointed = set()
    for section in found:
        if section.kind == _SHT_RELA:
            for at in range(section.offset, section.offset + section.size, _RELOCATION.size):
                place, info, target = _RELOCATION.unpack_from(data, at)
                if not code.address <= target < code.address + code.size:
                    continue
                in_wrapper = any(w.address <= place < w.address + w.size for w in wrappers)
                if info != _R_X86_64_RELATIVE or not in_wrapper or target not in moved:
                    raise GpuCodeError(f"an unknown pointer into its GPU code is at {place:#x}")
                changes[at] = _RELOCATION.pack(place, info, moved[target])
                pointed.add(target)
        elif section.kind == _SHT_DYNSYM:
            for at in range(section.offset, section.offset + section.size, _SYMBOL.size):
                value = _SYMBOL.unpack_from(data, at)[4]
                if code.address <= value < code.address + code.size:
                    raise GpuCodeError("a symbol of it points into its GPU code")
    if pointed != moved.keys():
        raise GpuCodeError(f"{len(moved.keys() - pointed)} fat binaries of it are not pointed to")
    return changes


def rewrite(source: Path, out: Path) -> tuple[int, int]:
    """Writes the library with compressed GPU code; gives the code's size before and after."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = sections(data)
        code = next((s for s in found if s.name == ".nv_fatbin"), None)
        if code is None:
            raise GpuCodeError("it has no GPU code (no section .nv_fatbin)")
        places = list(fatbins(data, code.offset, code.size))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            packed = list(pool.map(lambda p: compress(data[p[0] : p[0] + p[1]]), places))
        moved, size = {}, 0
        for (at, _), fatbin in zip(places, packed, strict=True):
            moved[code.address + at - code.offset] = code.address + size
            size += len(fatbin)
        changes = _moved_pointers(data, found, code, moved)
        _write(data, out, found, code, b"".join(packed), changes)
        return code.size, size


def _write(
    data: Data,
    out: Path,
    found: list[Section],
    code: Section,
    packed: bytes,
    changes: dict[int, bytes],
) -> None:
    """Writes the library with another `.nv_fatbin`, a hole after it, and one segment more."""
    table = segments(data)
    holder = next(
        s for s in table if s.kind == _PT_LOAD and 0 <= code.offset - s.offset < s.file_size
    )
    old_end = code.offset + code.size
    # Behind the code: the program headers, which need one place more than there is.
    headers_at = code.offset + len(packed) + -(code.offset + len(packed)) % 8
    first_end = headers_at + (len(table) + 1) * _SEGMENT.size
    # The rest keeps its place within a page, which is what the loader maps.
    tail_start = old_end - old_end % _PAGE
    shift = tail_start - (first_end + -first_end % _PAGE)
    if shift < 0:
        raise GpuCodeError("its GPU code does not become smaller")

    rest = Segment(
        _PT_LOAD,
        holder.flags,
        tail_start - shift,
        holder.address + tail_start - holder.offset,
        holder.offset + holder.file_size - tail_start,
        holder.address + holder.memory_size - (holder.address + tail_start - holder.offset),
        _PAGE,
    )
    new_table = []
    for segment in table:
        if segment is holder:
            cut = first_end - holder.offset
            new_table += [
                Segment(_PT_LOAD, holder.flags, holder.offset, holder.address, cut, cut, _PAGE),
                rest,
            ]
            continue
        if segment.offset >= old_end:
            segment.offset -= shift
        if segment.kind == _PT_LOAD:
            segment.align = _PAGE  # offsets and addresses agree in it, no more in 2 MB
        new_table.append(segment)

    def moved(offset: int) -> int:
        return offset - shift if offset >= old_end else offset

    (sections_at,) = struct.unpack_from("<Q", data, 40)
    row_size, row_count = struct.unpack_from("<HH", data, 58)
    rows = bytearray(data[sections_at : sections_at + row_size * row_count])
    for section in found:
        at = section.index * row_size
        struct.pack_into("<Q", rows, at + 24, moved(section.offset))
        if section is code:
            struct.pack_into("<Q", rows, at + 32, len(packed))

    with out.open("wb") as file:
        start = bytearray(data[: code.offset])
        struct.pack_into("<QQ", start, 32, headers_at, moved(sections_at))
        struct.pack_into("<H", start, 56, len(new_table))
        for at, change in changes.items():
            if at + len(change) > code.offset:
                raise GpuCodeError("its relocations lie behind its GPU code")
            start[at : at + len(change)] = change
        file.write(start)
        file.write(packed)
        file.write(bytes(headers_at - file.tell()))
        file.write(b"".join(segment.pack() for segment in new_table))
        file.write(bytes(tail_start - shift - file.tell()))
        file.write(bytes(old_end - tail_start))  # the end of the hole, in the page of what follows
        file.write(data[old_end:])
        file.seek(moved(sections_at))
        file.write(rows)


def main() -> int:
    source, out = map(Path, sys.argv[1:])
    try:
        before, after = rewrite(source, out)
    except GpuCodeError as error:
        print(f"{source}: {error}. Take it as it is in bazel/paddle/private.", file=sys.stderr)
        return 1
    print(f"{source.name}: GPU code of {before / 1e6:.0f} MB in {after / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
