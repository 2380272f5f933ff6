"""How the program starts, runs short of room, stops and fails; and its other commands."""

import concurrent.futures
import contextlib
import json
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cc.server.digits import DIGITS, INFER, LABELS, REQUEST, SAMPLES, make_repository
from cc.server.serving import Server, run, serving, until


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("repository"))


Answer = tuple[int, dict[str, str], bytes]
Asked = list[concurrent.futures.Future[Answer]]
RUNNING = 'paddle_server_running{model="digits",version="2"}'
DEPTH = 'paddle_server_queue_depth{model="digits",version="2"}'


@contextlib.contextmanager
def six_requests(server: Server, waiting: int = 5) -> Iterator[Asked]:
    """One keeps the only instance busy, so many wait, and others are turned away."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool, server.stopped(*server.workers):
        asked = [pool.submit(server.call, "POST", INFER, REQUEST)]
        until(lambda: server.metric(RUNNING) == 1)
        asked += [pool.submit(server.call, "POST", INFER, REQUEST) for _ in range(5)]
        until(lambda: server.metric(DEPTH) == waiting)
        until(lambda: sum(one.done() for one in asked) == 5 - waiting)
        yield asked


def test_full_queue(repository: Path) -> None:
    flags = ("--batching=off", "--max_queue=1")
    with serving(f"--model_repository={repository}", *flags) as server:
        with six_requests(server, waiting=1) as asked:
            # The event loop serves others meanwhile.
            assert server.call("GET", "/v2/health/ready")[0] == 200
        answers = [one.result() for one in asked]
        assert sorted(status for status, _, _ in answers) == [200] * 2 + [503] * 4
        assert {headers.get("Retry-After") for status, headers, _ in answers if status == 503} == {
            "1"
        }
        assert server.call("POST", INFER, REQUEST)[0] == 200
        reason = 'paddle_server_rejected_total{model="digits",version="2",reason="queue_full"}'
        assert server.metric(reason) == 4


def test_sigterm_serves_on_for_the_delay_and_then_finishes(repository: Path) -> None:
    flags = ("--batching=off", "--drain_delay_ms=5000", "--drain_timeout_ms=60000")
    with serving(f"--model_repository={repository}", *flags) as server:
        with concurrent.futures.ThreadPoolExecutor(1) as pool, six_requests(server) as asked:
            server.process.send_signal(signal.SIGTERM)
            # Readiness turns false at once; whoever has not learned of it is served.
            until(lambda: server.call("GET", "/v2/health/ready")[0] == 503)
            assert server.call("GET", "/v2/health/live")[0] == 200
            asked.append(pool.submit(server.call, "POST", INFER, REQUEST))
            until(lambda: server.metric(DEPTH) == 6)
        assert [one.result()[0] for one in asked] == [200] * 7
        assert server.process.wait(timeout=60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))


def test_drain_timeout_is_kept(repository: Path) -> None:
    flags = ("--batching=off", "--drain_timeout_ms=1")
    with serving(f"--model_repository={repository}", *flags) as server:
        with six_requests(server) as asked:
            assert server.stop() == 1
        # The clients see their connections end.
        assert all(isinstance(one.exception(), ConnectionError) for one in asked)
        assert server.log[-1]["level"] == "error"
        assert server.log[-1]["abandoned"] == 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_at_once(repository: Path, number: int) -> None:
    # With as long as it likes for what nobody asked.
    with serving(f"--model_repository={repository}", "--drain_timeout_ms=3600000") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        assert server.stop(number) == 0
        assert idle.recv(1) == b""
        assert [line["msg"] for line in server.log][-2:] == ["ready", "stopped"]


def test_every_log_line_is_json_and_tells_the_request(repository: Path) -> None:
    with serving(f"--model_repository={repository}", "--log_level=debug") as server:
        server.call("POST", INFER, REQUEST.replace("{", '{"id": "\\u00e9\\"", ', 1))
        server.call("GET", "/v2/models/%FF%22")
        server.call("GET", "/v2/health/live")
        server.stop()
    good, bad, live = (line for line in server.log if line["msg"] == "request")
    assert good["id"] == 'é"'
    assert good["status"] == 200
    assert good["model"] == "digits"
    assert good["compute_us"] > 0
    assert bad["status"] == 404
    assert bad["error"].startswith("unknown model")
    assert live["level"] == "debug"


def test_second_server_on_the_port(repository: Path) -> None:
    with serving(f"--model_repository={repository}") as server:
        second = run("serve", f"--port={server.port}", f"--model_repository={repository}")
        assert second.returncode == 1
        assert f"port {server.port}: Address already in use" in second.stderr
        assert "--port" in second.stderr
        assert json.loads(second.stdout)["level"] == "error"
        assert server.call("POST", INFER, REQUEST)[0] == 200


@pytest.mark.parametrize("name", ["model.pdmodel", "model.pdiparams"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_broken_model(tmp_path: Path, name: str, damage: str) -> None:
    directory = tmp_path / "digits" / "7"
    shutil.copytree(DIGITS, directory)
    file = directory / name
    data = file.read_bytes()
    directory.chmod(0o755)
    file.unlink()
    if damage != "missing":
        file.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    started = run("serve", "--port=0", f"--model_repository={tmp_path}")
    assert started.returncode == 1
    assert f'model "digits" version 7 in {directory} cannot be loaded' in started.stderr
    assert name in started.stderr
    assert '"ready"' not in started.stdout


def test_no_models(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        started = run("serve", "--port=0", f"--model_repository={path}")
        assert started.returncode == 1
        assert "NAME/VERSION/model.pdmodel" in started.stderr


def test_predict(tmp_path: Path) -> None:
    model = f"--model={DIGITS}"
    done = run("predict", model, "--input=-", stdin=REQUEST)
    assert done.returncode == 0, done.stderr
    logits = json.loads(done.stdout)["outputs"][0]["data"]
    assert int(np.argmax(logits)) == LABELS[0]

    out = tmp_path / "out.npy"
    x = SAMPLES / "x.npy"
    # The very bits that the trained network gave in Python, under MKL's setting of that time.
    done = run(
        *("predict", model, f"--input={x}", f"--output=logits={out}", "--cpu_engine=plain"),
        env={"MKL_CBWR": "COMPATIBLE"},
    )
    assert done.returncode == 0, done.stderr
    assert np.load(out).tobytes() == np.load(SAMPLES / "logits.npy").tobytes()


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--input=-"], "{", "malformed"),
        (["--input=-"], "{}", '"inputs" is missing'),
        (["--input=/missing.json"], "", "cannot read /missing.json"),
        (["--input=[a,b]"], "", "cannot read [a,b]"),
        (["--input=a", "--input=b"], "", "json has one --input"),
        (["--input=-", "--format=npy"], "no npy", "-: "),
        (["--input=y=/dev/null", "--format=npy"], "", "/dev/null: "),
        (["--input=-", "--output=/missing/out"], REQUEST, "cannot write /missing/out"),
    ],
)
def test_predict_errors(arguments: list[str], stdin: str, message: str) -> None:
    done = run("predict", f"--model={DIGITS}", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert message in done.stderr


def test_healthcheck(repository: Path) -> None:
    with serving(f"--model_repository={repository}") as server:
        assert run("healthcheck", f"--port={server.port}").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run("healthcheck", f"--port={port}")
    assert done.returncode == 1
    assert f"no server answers on 127.0.0.1 port {port}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--help"], "healthcheck"),
        (["--version"], "(Paddle 2.6.2)"),
        (["serve", "--help"], "--max_request_bytes"),
        (["serve", "--port=1", "-h"], "[0 - 65535]=8080"),
        (["predict", "--help"], "--model TEXT REQUIRED"),
        (["healthcheck", "--help"], "--timeout_ms"),
        (["gpu-check", "--help"], "4 this engine is built without CUDA"),
    ],
)
def test_help(arguments: list[str], output: str) -> None:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert output in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "A subcommand is required; see `server --help`"),
        (["dance"], "not expected: dance; see `server --help`"),
        (["serve", "--tempo=3"], "not expected: --tempo=3; see `server serve --help`"),
        (["serve", "predict"], "not expected: predict; see `server serve --help`"),
        (["serve", "--port=x"], "--port: Value x not in range 0 to 65535"),
        (["serve", "--port=65536"], "--port: Value 65536 not in range 0 to 65535"),
        (["serve", "--port", "-1"], "--port: Value -1 not in range"),
        (["serve", "--port=", "--host=::"], "--port: Value  not in range"),
        (["serve", "--port"], "--port: 1 required"),
        (["serve", "--log_level=loud"], '--log_level: log level "loud" is none of debug, info'),
        (["predict", "--input=-"], "--model is required; see `server predict --help`"),
        (["predict", "--model=x"], "--input is required"),
        (["predict", "--model=x", "--input", "a", "b"], "not expected: b"),
        (["predict", "--model=x", "--input=-", "--format=xml"], "--format: xml not in {json,npy}"),
        (["healthcheck", "--port=0"], "--port: Value 0 not in range 1 to 65535"),
        (["serve", "--device=gpu:x"], '--device: "gpu:x" is not auto, cpu, gpu, or gpu:N[,N...]'),
    ],
)
def test_wrong_usage(arguments: list[str], error: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("server: ")
    assert error in done.stderr
    assert done.stdout == ""


def test_the_device_is_told(repository: Path) -> None:
    with serving(f"--model_repository={repository}") as server:
        (line,) = [line for line in server.log if line["msg"] == "device"]
        assert line["device"] == "cpu"
        assert "this engine is built without CUDA" in line["why"]


def test_a_gpu_that_the_engine_cannot_use(repository: Path) -> None:
    error = "--device=gpu:0: this engine is built without CUDA: use the image inference_gpu"
    serve = run("serve", "--port=0", f"--model_repository={repository}", "--device=gpu:0")
    predict = run("predict", f"--model={DIGITS}", "--input=-", "--device=gpu:0")
    for done in (serve, predict):
        assert done.returncode == 1
        assert error in done.stderr


def test_gpu_check_of_an_engine_without_cuda() -> None:
    done = run("gpu-check")
    assert done.returncode == 4
    assert done.stdout.startswith("engine: Paddle 2.6.2, built without CUDA\ndriver: ")
    assert done.stdout.endswith(
        "result: this engine is built without CUDA: use the image inference_gpu or"
        " train_gpu; models run on the CPU\n"
    )
    assert done.stderr == ""


def test_flags_have_both_forms_and_the_last_one_counts() -> None:
    ports = ("--port", "2", "--port=1")
    done = run("healthcheck", *ports, "--host=::1", "--host=", "--host", "127.0.0.1")
    assert done.returncode == 1
    assert "no server answers on 127.0.0.1 port 1" in done.stderr
