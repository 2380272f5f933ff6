"""paddle_model's checks: a model that must not ship stops the build and says why."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from paddle_training import runtime

runtime.start(0)
import paddle
from paddle.static import InputSpec

from bazel.model.private import finish as finish_program

FINISH = Path(os.environ["FINISH"]).resolve()


@pytest.fixture(name="raw")
def trained(tmp_path: Path) -> Path:
    """What a program that has never heard of this project leaves behind."""
    net = paddle.nn.Linear(4, 2)
    net.eval()
    spec = [InputSpec([None, 4], "float32", "x")]
    paddle.jit.save(net, str(tmp_path / "raw" / "model"), input_spec=spec)
    (tmp_path / "raw" / "metadata.json").write_text('{"metrics": {"accuracy": 0.961}}')
    return tmp_path / "raw"


def arguments(raw: Path, *more: str) -> list[str]:
    """As the rule has them."""
    return [
        "--label=//x:m",
        "--name=m",
        f"--raw={raw}",
        f"--out={raw.parent}/m",
        "--wheels=pypi=wheels_lock.json",
        "--debian=debian=debian_lock.json",
        *more,
    ]


def refusal(raw: Path, *more: str) -> str:
    """Runs the program in this process; what it says when it ends with an error."""
    with pytest.raises(SystemExit) as ended:
        finish_program.main.main(arguments(raw, *more), standalone_mode=False)
    assert isinstance(ended.value.code, str)
    return ended.value.code


def test_a_good_model_passes(raw: Path) -> None:
    more = ("--require=accuracy=>=.961", "--setting=MKL_CBWR=COMPATIBLE")
    command = [str(FINISH), *arguments(raw, *more)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    out = raw.parent / "m"
    assert sorted(p.name for p in out.iterdir()) == [
        "metadata.json",
        "model.pdiparams",
        "model.pdmodel",
        "model_card.md",
    ]
    metadata = json.loads((out / "metadata.json").read_text())
    assert metadata["name"] == "m"
    assert metadata["metrics"] == {"accuracy": 0.961}
    assert metadata["settings"] == {"MKL_CBWR": "COMPATIBLE"}
    assert b"op_callstack" not in (out / "model.pdmodel").read_bytes()


class Widening(paddle.nn.Layer):  # type: ignore[misc]
    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return paddle.cast(x, "int64")


def test_tells_what_values_the_engine_takes(tmp_path: Path) -> None:
    net = paddle.nn.Embedding(20, 3)
    net.eval()
    spec = [InputSpec([None, 4], "int64", "ids")]
    paddle.jit.save(net, str(tmp_path / "raw" / "model"), input_spec=spec)
    finish_program.main.main(arguments(tmp_path / "raw"), standalone_mode=False)
    metadata = json.loads((tmp_path / "m" / "metadata.json").read_text())
    assert metadata["inputs"] == [
        {"name": "ids", "datatype": "INT64", "shape": [-1, 4], "range": [0, 19]}
    ]


def test_a_network_without_parameters(tmp_path: Path) -> None:
    net = paddle.nn.Softmax()
    net.eval()
    spec = [InputSpec([None, 4], "float32", "x")]
    paddle.jit.save(net, str(tmp_path / "raw" / "model"), input_spec=spec)
    assert not (tmp_path / "raw" / "model.pdiparams").exists()
    finish_program.main.main(arguments(tmp_path / "raw"), standalone_mode=False)
    assert (tmp_path / "m" / "model.pdiparams").read_bytes() == b""


def test_a_model_that_the_engine_does_not_take(tmp_path: Path) -> None:
    net = Widening()
    net.eval()
    spec = [InputSpec([None, 4], "int16", "ids")]
    paddle.jit.save(net, str(tmp_path / "raw" / "model"), input_spec=spec)
    said = refusal(tmp_path / "raw")
    assert "//x:m: the engine does not take the model: INT16 of input ids is not served" in said


def test_below_the_requirement_says_by_how_much(raw: Path) -> None:
    said = refusal(raw, "--require=accuracy=0.97")
    assert "//x:m: accuracy is 0.961, 0.009 below the 0.97" in said
    assert 'require = {"accuracy": 0.97}' in said
    assert "Train longer" in said


def test_above_the_requirement_says_by_how_much(raw: Path) -> None:
    (raw / "metadata.json").write_text('{"metrics": {"size": 0.31, "accuracy": 0.98}}')
    said = refusal(raw, "--require=size=<= 0.3", "--require=accuracy=>= 0.97")
    assert '//x:m: size is 0.31, 0.01 above the 0.3 that require = {"size": "<= 0.3"}' in said
    assert "accuracy" not in said


def test_a_bound_that_is_none(raw: Path) -> None:
    said = refusal(raw, "--require=accuracy=> 0.97")
    assert 'require = {"accuracy": "> 0.97"} is no bound: write' in said


def test_a_metric_that_was_not_measured(raw: Path) -> None:
    said = refusal(raw, "--require=recall=0.5")
    assert "recall must be at least 0.5" in said
    assert "it has: accuracy" in said


@pytest.mark.parametrize("bound", [">= 0.97", "<= 0.97"])
def test_not_a_number_is_neither(raw: Path, bound: str) -> None:
    (raw / "metadata.json").write_text('{"metrics": {"accuracy": NaN}}')
    said = refusal(raw, f"--require=accuracy={bound}")
    assert "accuracy is nan" in said


def test_a_path_of_the_build_stops_it(raw: Path) -> None:
    (raw / "metadata.json").write_text('{"settings": {"data": "/srv/shared/data/x.csv"}}')
    said = refusal(raw)
    assert "tells where it was built" in said
    assert "metadata.json: /srv/shared/data/x.csv" in said


def test_a_further_file_must_not_tell_either(raw: Path) -> None:
    (raw / "words.txt").write_text("one two bazel-out/k8/bin/x")
    said = refusal(raw)
    assert "words.txt: bazel-out/k8/bin/x" in said


def test_a_model_has_no_folders(raw: Path) -> None:
    (raw / "checkpoints").mkdir()
    said = refusal(raw)
    assert "checkpoints in the trainer's --out is no file" in said


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("[]", "metadata.json is no JSON object"),
        ('{"metrics": ["accuracy"]}', '"metrics" of the trainer\'s metadata.json is not an object'),
        ('{"metrics": {"accuracy": "0.98"}}', "metric accuracy of the trainer's metadata.json is"),
        ('{"description": 3}', '"description" of the trainer\'s metadata.json is not a text'),
    ],
)
def test_metadata_of_another_shape(raw: Path, told: str, message: str) -> None:
    (raw / "metadata.json").write_text(told)
    said = refusal(raw)
    assert message in said


def test_the_digest_of_the_code(tmp_path: Path) -> None:
    one, two = tmp_path / "a.py", tmp_path / "b.py"
    wheels, debian = tmp_path / "wheels_lock.json", tmp_path / "debian_lock.json"
    locked = [
        {"name": n, "file": f"{n}-1.0-py3-none-any.whl", "sha256": n} for n in ("np", "other")
    ]
    wheels.write_text(json.dumps({"wheels": locked}))
    sets = {"python3": ["python", "tools"], "gcc": ["cc"]}
    packages = [{"pool": f"{n}.deb", "sha256": n, "sets": s} for n, s in sets.items()]
    debian.write_text(json.dumps({"packages": packages}))
    repositories = ["_main~pypi~pypi_np", "_main~debian~debian_python", "rules_python~"]

    def digest() -> str:
        return finish_program.code_digest(
            [two, one], repositories, {"pypi": wheels}, {"debian": debian}
        )

    one.write_text("1")
    two.write_text("2")
    listing = (
        f"{hashlib.sha256(b'1').hexdigest()}  {one}\n{hashlib.sha256(b'2').hexdigest()}  {two}\n"
        "np  np-1.0-py3-none-any.whl\npython3  python3.deb\n"
    )
    assert digest() == f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"
    before = digest()
    wheels.write_text(json.dumps({"wheels": [locked[0], locked[1] | {"sha256": "changed"}]}))
    assert digest() == before  # the program does not run on it
    wheels.write_text(json.dumps({"wheels": [locked[0] | {"sha256": "changed"}, locked[1]]}))
    assert digest() != before


def test_nothing_trained(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    said = refusal(tmp_path / "raw")
    assert said == "//x:m: the trainer wrote no model.pdmodel; it wrote: nothing"


def test_metadata_that_is_no_json(raw: Path) -> None:
    (raw / "metadata.json").write_text("accuracy 0.98")
    said = refusal(raw)
    assert "metadata.json" in said
