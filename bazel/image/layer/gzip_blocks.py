"""Writes gzip in parallel, with the same bytes on any number of processors.

The data is cut into blocks of a fixed size. Each is compressed by itself, with
the end of the block before as its dictionary, so almost nothing is lost to the
cut; the blocks are joined in order into one ordinary gzip member.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

BLOCK = 1 << 19
WINDOW = 1 << 15
LEVEL = 6
# No name, no time, unknown operating system.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def _deflate(block: bytes, dictionary: bytes, last: bool) -> bytes:
    # zlib releases the interpreter's lock, so threads do run in parallel.
    if dictionary:
        encoder = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, 9, zdict=dictionary)
    else:
        encoder = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, 9)
    return encoder.compress(block) + encoder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


class Out(Protocol):
    """What can be written to."""

    def write(self, data: bytes, /) -> object: ...


class GzipWriter:
    """A file to write to, whose gzip goes to `out`; a context manager."""

    def __init__(self, out: Out, threads: int = 0) -> None:
        self._out = out
        self._threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads)
        self._pending: deque[Future[bytes]] = deque()
        self._buffer = bytearray()
        self._dictionary = b""
        self._crc = 0
        self._size = 0
        out.write(_HEADER)

    def __enter__(self) -> GzipWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        self._pool.shutdown(cancel_futures=True)

    def write(self, data: bytes) -> int:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        while len(self._buffer) > BLOCK:  # the last block stays for close()
            with memoryview(self._buffer) as view:
                block = bytes(view[:BLOCK])
            del self._buffer[:BLOCK]
            self._submit(block, last=False)
        return len(data)

    def close(self) -> None:
        self._submit(bytes(self._buffer), last=True)
        self._drain(0)
        self._out.write(struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))

    def _submit(self, block: bytes, last: bool) -> None:
        self._pending.append(self._pool.submit(_deflate, block, self._dictionary, last))
        self._dictionary = block[-WINDOW:]
        self._drain(4 * self._threads)

    def _drain(self, keep: int) -> None:
        while len(self._pending) > keep:
            self._out.write(self._pending.popleft().result())
