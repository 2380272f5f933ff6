"""Compresses layers in parallel, with the same bytes on any number of processors."""

from __future__ import annotations

import os
from typing import Any, Protocol

import zstandard

from bazel.image.layer.gzip_blocks import GzipWriter, Out

# Measured on the layer of Paddle's engine, 404 MB, two cores; docs/images.md has the numbers.
ZSTD_LEVEL = 9


class Writer(Out, Protocol):
    """What it holds back it writes at the end of a `with`."""

    def __enter__(self) -> Writer: ...
    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> Any: ...


def writer(kind: str, out: Out, threads: int = 0) -> Writer:
    """Compresses what is written to `out`, as gzip or as zstd.

    libzstd cuts the data into jobs of a size that depends on the level alone, so one worker and
    many write the same; without any (threads=0 of its own API) it would cut otherwise.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if kind == "gzip":
        return GzipWriter(out, threads)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        ZSTD_LEVEL, threads=threads, write_checksum=True
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    stream: Writer = compressor.stream_writer(out, closefd=False)  # type: ignore[arg-type]
    return stream
