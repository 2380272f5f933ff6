"""Triton's perf_analyzer, unmodified, with the options that people measure servers with."""

import csv
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cc.server.digits import IMAGES, make_repository
from cc.server.serving import Server, infer, serving

COUNT = 10
# Windows of so many requests at least, and however far apart they are. With --request-count
# perf_analyzer waits forever once in some hundred times, with each request answered.
WINDOWS = f"--measurement-mode=count_windows --measurement-request-count={COUNT} -s 1000000"


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = make_repository(tmp_path_factory.mktemp("repository"))
    with serving(f"--model_repository={repository}") as server:
        yield server


@dataclass
class Done:
    """What perf_analyzer said, and what became of requests by the server's statistics."""

    code: int
    said: str
    good: int
    bad: int

    def numbers(self, name: str) -> list[float]:
        """Of each load that was measured."""
        return [float(number) for number in re.findall(rf"^ *{name}: ([\d.]+)", self.said, re.M)]


def statistics(server: Server) -> tuple[int, int]:
    """Requests to digits, its versions together, that succeeded and that failed."""
    told = json.loads(server.call("GET", "/v2/models/digits/stats")[2])["model_stats"]
    counts = [
        [int(one["inference_stats"][key]["count"]) for one in told] for key in ("success", "fail")
    ]
    return sum(counts[0]), sum(counts[1])


def analyze(server: Server, protocol: str, options: str, model: str = "digits") -> Done:
    url = server.grpc_url if protocol == "grpc" else server.url
    words = f"-m {model} -u {url} -i {protocol} {WINDOWS} {options}".split()
    command = [os.environ["PERF_ANALYZER"], *words]
    before = statistics(server)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    after = statistics(server)
    return Done(
        done.returncode, done.stdout + done.stderr, after[0] - before[0], after[1] - before[1]
    )


def measured(server: Server, protocol: str, options: str) -> Done:
    """All went well, in each load."""
    done = analyze(server, protocol, options)
    assert done.code == 0, done.said
    counts = done.numbers("Request count")
    assert counts and min(counts) > 0 and min(done.numbers("Throughput")) > 0, done.said
    assert done.good >= sum(counts) and done.bad == 0
    return done


both = pytest.mark.parametrize("protocol", ["http", "grpc"])


@both
def test_concurrencies(server: Server, protocol: str) -> None:
    done = measured(server, protocol, "--concurrency-range=1:4 --shared-memory=none")
    assert re.findall(r"^Request concurrency: (\d)", done.said, re.M) == ["1", "2", "3", "4"]
    # What it reads of the server's statistics.
    successes = done.numbers("Successful request count")
    assert len(successes) == 4 and min(successes) > 0


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("http", "--async --concurrency-range=4"),
        ("http", "-x 1 -H X-Request-Id:perf --input-data=zero"),
        ("http", "--input-tensor-format=json --output-tensor-format=json --input-data=zero"),
        ("grpc", "--async --concurrency-range=4"),
        ("grpc", "--streaming --concurrency-range=4"),
        ("grpc", "--streaming --async --concurrency-range=4"),
        ("grpc", "--grpc-compression-algorithm=gzip"),
        ("grpc", "--request-parameter=priority:1:int"),
    ],
)
def test_ways_to_ask(server: Server, protocol: str, options: str) -> None:
    done = measured(server, protocol, options)
    assert min(done.numbers("Request count")) >= COUNT


@both
def test_batches(server: Server, protocol: str) -> None:
    done = measured(server, protocol, "-b 8")
    assert min(done.numbers("Inference count")) >= 8 * COUNT


@both
def test_rates(server: Server, protocol: str) -> None:
    options = "--request-rate-range=50 --request-distribution=poisson"
    done = measured(server, protocol, options)
    assert set(done.numbers("Request Rate")) == {50}


@both
@pytest.mark.parametrize("right", [True, False])
def test_data_and_answers_from_a_file(
    server: Server, tmp_path: Path, protocol: str, right: bool
) -> None:
    """It compares answers to the bit, so it tells whether they are right."""
    images = IMAGES[:3]
    logits = infer(server.url, "digits", {"x": images}, ["logits"])["logits"]
    if not right:
        logits = np.nextafter(logits, np.inf, dtype=np.float32)
    data = [{"x": {"content": image.ravel().tolist(), "shape": image.shape}} for image in images]
    wanted = [{"logits": {"content": row.tolist(), "shape": row.shape}} for row in logits]
    file = tmp_path / "data.json"
    file.write_text(json.dumps({"data": data, "validation_data": wanted}))
    options = f"--input-data={file} --concurrency-range=2"
    if right:
        measured(server, protocol, options)
    else:
        assert "Output doesn't match expected output" in analyze(server, protocol, options).said


def test_the_server_s_metrics(server: Server, tmp_path: Path) -> None:
    """It looks for those of GPUs only, and says so where there is none, as with Triton."""
    file = tmp_path / "report.csv"
    options = f"--collect-metrics --metrics-url={server.url}/metrics --verbose-csv -f {file}"
    done = measured(server, "http", options)
    assert "Unable to parse 'nv_gpu_utilization' metric" in done.said
    (row,) = csv.DictReader(file.open())
    assert float(row["Inferences/Second"]) > 0 and float(row["Server Compute Infer"]) > 0


@pytest.mark.parametrize(
    ("protocol", "options", "why"),
    [
        ("http", "--shared-memory=system", 'unknown path "/v2/systemsharedmemory/'),
        ("grpc", "--shared-memory=system", "does not serve the method .*SharedMemory"),
        ("http", "--trace-level=TIMESTAMPS", 'unknown path "/v2/trace/setting"'),
        ("grpc", "--trace-level=TIMESTAMPS", "does not serve the method .*TraceSetting"),
        ("http", "-b 2000", "2000 rows; at most 1024"),
        ("grpc", "-b 2000", "2000 rows; at most 1024"),
        ("http", "-x 7", 'model "digits" has no version 7'),
        ("grpc", "-x 7", 'model "digits" has no version 7'),
    ],
)
def test_what_is_not_served_is_told(server: Server, protocol: str, options: str, why: str) -> None:
    done = analyze(server, protocol, options)
    assert done.code != 0 and done.good == 0
    assert re.search(why, done.said)


@both
def test_a_model_that_is_not_there_is_told(server: Server, protocol: str) -> None:
    done = analyze(server, protocol, "", model="nothing")
    assert done.code != 0 and 'unknown model "nothing"; there is "digits"' in done.said
