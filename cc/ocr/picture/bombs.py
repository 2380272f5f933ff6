"""Small files of pictures that would have their decoder take much, for tests."""

import struct

import numpy as np


def webp_of_65536_tables() -> bytes:
    """A lossless WebP of which each four by four pixels have Huffman codes of their own."""
    bits: list[int] = []

    def write(value: int, size: int) -> None:
        bits.extend(value >> i & 1 for i in range(size))

    write(0x2F, 8)
    write(1023, 14)
    write(1023, 14)
    write(0, 1 + 3 + 1 + 1)  # no alpha, version 0, no transform, no cache of colours
    write(1, 1)  # a picture tells which code is whose
    write(0, 3)  # each of its pixels that of four by four
    write(0, 1)  # no cache
    for symbols in (280, 256):  # green and red: codes of 8 bits for all 256
        write(0, 1)
        write(12 - 4, 4)
        # How long the codes for 17, 18, 0 to 5, 16, 6, 7, 8 are: 8, and 18 for a row of zeros.
        for size in (0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1):
            write(size, 3)
        write(0, 1)
        write(0, 256)
        if symbols > 256:
            write(1, 1)
            write(symbols - 256 - 11, 7)
    for _ in ("blue", "alpha", "distance"):  # always 0
        write(1, 4)
    for code in range(65536):
        for value in (code & 255, code >> 8):
            write(int(f"{value:08b}"[::-1], 2), 8)
    data = np.packbits(bits, bitorder="little").tobytes() + bytes(100_000)
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
