"""The server with Paddle 3: models in both formats, with the bits of its paddle.inference."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# docs/engine.md says what a long one does to a process with Paddle 3.
os.environ.pop("TEST_TMPDIR", None)

import numpy as np
import paddle
import pytest

from cc.server import serving
from cc.server.serving import Arrays, Server

DIGITS, SAMPLES = Path(os.environ["DIGITS"]), Path(os.environ["SAMPLES"])
PIR = Path("cc/engine/testdata/pir")
MODELS = {
    "digits": DIGITS,
    **{name: PIR / name for name in ("branches", "cnn", "words")},
}


def inputs_of(name: str) -> Arrays:
    if name == "digits":
        return {"x": np.load(SAMPLES / "x.npy")}
    files = sorted((PIR / name).glob("in.*.npy"))
    return {file.name.removeprefix("in.").removesuffix(".npy"): np.load(file) for file in files}


def by_paddle(folder: Path, inputs: Arrays, openvino: bool = False) -> Arrays:
    """As the server computes by itself: one thread, oneDNN."""
    program = next(p for p in (folder / "model.pdmodel", folder / "model.json") if p.exists())
    config = paddle.inference.Config(str(program), str(folder / "model.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    if openvino:
        config.enable_openvino_engine(paddle.inference.PrecisionType.Float32)
    predictor = paddle.inference.create_predictor(config)
    for name in predictor.get_input_names():
        handle = predictor.get_input_handle(name)
        handle.reshape(inputs[name].shape)
        handle.copy_from_cpu(inputs[name])
    predictor.run()
    return {n: predictor.get_output_handle(n).copy_to_cpu() for n in predictor.get_output_names()}


@pytest.fixture(scope="module", name="server")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = tmp_path_factory.mktemp("models")
    for name, folder in MODELS.items():
        (repository / name).mkdir()
        (repository / name / "1").symlink_to(folder.absolute())
    with serving.serving(f"--model_repository={repository}", "--max_batch_size=1000") as server:
        yield server


@pytest.mark.parametrize("name", MODELS)
def test_serves_the_bits_of_paddle_inference(server: Server, name: str) -> None:
    inputs = inputs_of(name)
    expected = by_paddle(MODELS[name], inputs)
    answer = serving.infer(server.url, name, inputs, list(expected))
    for output, array in expected.items():
        assert (answer[output].dtype, answer[output].shape) == (array.dtype, array.shape)
        assert answer[output].tobytes() == array.tobytes()


def test_refuses_values_beyond_a_table(server: Server) -> None:
    inputs = inputs_of("words")
    inputs["ids"][0, 0] = 50
    with pytest.raises(Exception, match="the model takes 0 to 49"):
        serving.infer(server.url, "words", inputs, ["fetch_name_0"])


def test_predict_reads_it(tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    rows = PIR / "branches/in.rows.npy"
    done = serving.run("predict", f"--model={PIR}/branches", f"--input={rows}", f"--output={out}")
    assert done.returncode == 0, done.stderr
    (expected,) = by_paddle(PIR / "branches", inputs_of("branches")).values()
    assert np.load(out).tobytes() == expected.tobytes()


def test_serves_the_bits_of_openvino(tmp_path: Path) -> None:
    """Its runs take turns; whoever asks at the same time gets the answer to its own request."""
    inputs = inputs_of("digits")
    expected = by_paddle(DIGITS, inputs, openvino=True)["logits"]
    assert expected.tobytes() != by_paddle(DIGITS, inputs)["logits"].tobytes()
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits/1").symlink_to(DIGITS.absolute())
    flags = (f"--model_repository={tmp_path}", "--cpu_engine=openvino", "--instances=2")
    with serving.serving(*flags, "--max_batch_size=1000") as server:
        (line,) = server.logged("model loaded")
        # Rows are the same bits alone and in company.
        assert (line["cpu_engine"], line["batching"]) == ("openvino", True)

        def ask(row: int) -> bytes:
            one = {"x": inputs["x"][row : row + 1]}
            return serving.infer(server.url, "digits", one, ["logits"])["logits"].tobytes()

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(200)))
    assert answers == [expected[row : row + 1].tobytes() for row in range(200)]


def test_a_model_that_openvino_does_not_take_is_told() -> None:
    done = serving.run(
        "predict",
        "--cpu_engine=openvino",
        f"--model={PIR}/branches",
        f"--input={PIR}/branches/in.rows.npy",
    )
    assert done.returncode == 1
    assert "is in Paddle 3's own format, of which Paddle gives OpenVINO nothing" in done.stderr


def test_tune_measures_it_too() -> None:
    done = serving.run(
        *("tune", str(DIGITS), "--seconds=0.06", "--concurrency=4", "--threads=1", "--instances=1")
    )
    assert done.returncode == 0, done.stderr
    engines = {line.split()[1] for line in done.stdout.partition("\n\n")[0].splitlines()[1:]}
    assert engines == {"onednn", "openvino", "plain"}
    assert "failed" not in done.stdout


def test_the_server_with_paddle_2_says_who_serves_it() -> None:
    done = subprocess.run(
        [
            os.environ["RUN"],
            os.environ["SERVER2"],
            "predict",
            f"--model={PIR}/branches",
            f"--input={PIR}/branches/in.rows.npy",
        ],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert "model.json is in Paddle 3's own format, and this is Paddle 2." in done.stderr
    assert "use the image inference_paddle3" in done.stderr
