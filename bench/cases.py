"""The loads that //bench:serving measures servers under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench import servers

# What makes a load: bench/generators.py has each.
Generator = Literal["wrk", "load", "perf_analyzer", "h2load"]


@dataclass(frozen=True)
class Case:
    """A load: closed, with `connections` of one request each, or open at a `rate` per second."""

    name: str
    title: str
    model: str
    servers: tuple[str, ...]  # peers; ours are in every case
    generator: Generator = "wrk"
    binary: bool = True
    grpc: bool = False
    connections: int = 64
    streams: int = 1  # of gRPC at once on a connection
    rate: int = 0
    cores: int = 1
    sizes: tuple[int, ...] = (1, 4, 32)  # rows of requests whose answers are compared


_TRITONS = (servers.TRITON, servers.TRITON_BATCHING)
_FAST = (*_TRITONS, servers.IDEAL, servers.IDEAL_BATCHING)
CASES = (
    *(
        Case(
            f"binary-{n}",
            f"simple_cnn, binary, {n} connections" if n > 1 else "simple_cnn, binary, 1 connection",
            "SIMPLE_CNN",
            (*_FAST, servers.FASTAPI),
            connections=n,
        )
        for n in (1, 16, 64)
    ),
    Case(
        "json-16",
        "simple_cnn, JSON, 16 connections",
        "SIMPLE_CNN",
        (*_TRITONS, servers.FASTAPI, servers.MLSERVER),
        binary=False,
        connections=16,
    ),
    Case(
        "grpc-64",
        "simple_cnn, gRPC, 8 connections x 8 streams",
        "SIMPLE_CNN",
        _TRITONS,
        "h2load",
        grpc=True,
        connections=8,
        streams=8,
    ),
    *(
        Case(
            f"perf_analyzer-{name.lower()}",
            f"simple_cnn, perf_analyzer, {name}, concurrency 16",
            "SIMPLE_CNN",
            _TRITONS,
            "perf_analyzer",
            grpc=name == "gRPC",
            connections=16,
        )
        for name in ("HTTP", "gRPC")
    ),
    Case(
        "mobilenet-4",
        "MobileNetV2 224x224, binary, 4 connections, two cores",
        "MOBILENET",
        (*_TRITONS, servers.FASTAPI, servers.ENGINE),
        connections=4,
        cores=2,
        sizes=(1, 4),  # 32 would stay in every server's memory
    ),
    *(
        Case(
            f"poisson-{rate}",
            f"simple_cnn, binary, Poisson arrivals at {rate:,}/s, latency from the due time",
            "SIMPLE_CNN",
            _FAST,
            "load",
            rate=rate,
        )
        for rate in (1700, 4000)
    ),
)
