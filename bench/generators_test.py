"""perf_analyzer and h2load, as the benchmark has them, see which requests fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import generators, oip_grpc, servers
from bench.cases import Case
from bench.compare import compare
from bench.generators import Prepared
from bench.oip import Model
from bench.servers import Server, Site

SECONDS = 3
CORES = os.sched_getaffinity(0)
MODEL = Model(Path(os.environ["DIGITS"]).absolute())
H2LOAD = Case("h2load", "", "DIGITS", (), "h2load", grpc=True, connections=4, streams=2)
CASES = (
    Case("perf_analyzer-http", "", "DIGITS", (), "perf_analyzer", connections=4),
    Case("perf_analyzer-grpc", "", "DIGITS", (), "perf_analyzer", grpc=True, connections=4),
    H2LOAD,
)


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    site = Site(tmp_path_factory.mktemp("site"), servers.OURS)
    with site.serving("ours", [MODEL], CORES, grpc=True) as server:
        yield server


@pytest.fixture(name="prepared")
def a_request(tmp_path: Path) -> Prepared:
    return generators.prepare(tmp_path, MODEL, binary=True)


def test_every_form_has_the_same_answer(server: Server) -> None:
    assert compare(H2LOAD, MODEL, {"ours": server}) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_load(server: Server, prepared: Prepared, case: Case) -> None:
    told = generators.load(case, server, prepared, SECONDS, CORES)
    assert told.errors == 0
    assert told.requests > 0 and told.rate > 0
    assert 0 < told.p50_ms <= told.p99_ms


def test_calls_that_fail_are_counted(server: Server, prepared: Prepared) -> None:
    """An answer of 200 whose grpc-status says that the request was wrong."""
    wrong = oip_grpc.message(MODEL.name, {"nothing": np.zeros([1, 1], np.float32)})
    prepared.message.write_bytes(oip_grpc.framed(wrong))
    told = generators.load(H2LOAD, server, prepared, SECONDS, CORES)
    assert told.errors == told.requests > 0
