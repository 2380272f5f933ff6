"""The loop trains, counts in steps, and refuses what cannot be the same bits everywhere."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from numpy.typing import NDArray

from paddle_training import distributed, runtime, training
from paddle_training.checkpoint import CheckpointError

runtime.start(0)
import paddle
from paddle import nn


def test_batches_are_epochs_of_permutations() -> None:
    taken = list(itertools.islice(training.batches(10, 4, seed=3), 4))
    assert [len(rows) for rows in taken] == [4, 4, 4, 4]
    assert len(set(np.concatenate(taken[:2]))) == 8  # no row twice in an epoch
    again = list(itertools.islice(training.batches(10, 4, seed=3), 4))
    assert np.array_equal(taken, again)
    assert not np.array_equal(taken[0], next(training.batches(10, 4, seed=4)))


def test_more_rows_in_a_batch_than_there_are() -> None:
    with pytest.raises(click.UsageError, match=r"batch of 32 from 10 rows.*--batch-size"):
        training.batches(10, 32, seed=0)


def test_fit_trains_and_says_so_ten_times(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.RandomState(0).rand(64, 3).astype(np.float32)
    y = (x @ np.array([[1.0], [2.0], [3.0]], np.float32)).astype(np.float32)
    net = nn.Linear(3, 1)
    last = training.fit(
        net,
        paddle.optimizer.SGD(0.1, parameters=net.parameters()),
        lambda rows: ((net(paddle.to_tensor(x[rows])) - paddle.to_tensor(y[rows])) ** 2).mean(),
        training.batches(64, 16, seed=0),
        steps=200,
    )
    assert last < 0.05
    assert not net.training
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == f"step 200/200  loss {last:.4f}"
    records = [json.loads(line) for line in output.out.splitlines()]
    assert [record["step"] for record in records] == list(range(20, 201, 20))
    assert records[-1]["loss"] == last


def train(
    steps: int,
    checkpoint: Path | None = None,
    *,
    seed: int = 0,
    width: int = 4,
    momentum: float = 0.9,
    cosine: bool = False,
    data: str = "sha256:1",
) -> bytes:
    """The bits that come of a network with dropout, as of a process of its own."""
    runtime.start(7)
    x = np.random.RandomState(0).rand(16, 3).astype(np.float32)
    with paddle.utils.unique_name.guard():
        net = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 1))
        schedule = paddle.optimizer.lr.CosineAnnealingDecay(0.01, T_max=steps)
        rate = schedule if cosine else 0.01
        optimizer = paddle.optimizer.Momentum(rate, momentum, parameters=net.parameters())

        def loss(rows: NDArray[np.int64]) -> paddle.Tensor:
            noise = np.random.rand(len(rows), 3).astype(np.float32)
            return (net(paddle.to_tensor(x[rows] + noise)) ** 2).mean()

        run = training.Run(Path(), seed=seed, checkpoint=checkpoint, checkpoint_every=4)
        batches = training.batches(16, 4, seed)
        training.fit(net, optimizer, loss, batches, steps, run, {"data": data})
    bits = np.concatenate([parameter.numpy().ravel() for parameter in net.parameters()])
    assert np.isfinite(bits).all()  # else they would all be equal
    return bytes(bits.tobytes())


def test_checkpoints_change_no_bits(tmp_path: Path) -> None:
    assert train(10, tmp_path) == train(10)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "lock",
        "step-0000000008.checkpoint",
        "step-0000000010.checkpoint",
    ]


def test_goes_on_to_the_same_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(6, tmp_path)
    capsys.readouterr()
    assert train(20, tmp_path) == train(20) != train(20, seed=1)
    output = capsys.readouterr()
    assert f"goes on after step 6, from {tmp_path}" in output.err
    record = json.loads(output.out.splitlines()[0])
    assert (record["step"], record["resumed"]) == (6, True)


def test_a_schedule_goes_on(tmp_path: Path) -> None:
    whole = train(20, tmp_path, cosine=True)
    assert whole == train(20, cosine=True) != train(20)
    (tmp_path / "step-0000000020.checkpoint").unlink()
    assert train(20, tmp_path, cosine=True) == whole  # from step 16


def test_a_schedule_follows_the_steps() -> None:
    runtime.start(0)
    net = nn.Linear(1, 1)
    schedule = training.warmup_cosine(0.1, warmup=4, steps=20)
    optimizer = paddle.optimizer.SGD(schedule, parameters=net.parameters())
    rates = []

    def loss(step: int) -> paddle.Tensor:
        rates.append((step, optimizer.get_lr()))
        return net(paddle.ones([1, 1])).sum()

    training.fit(net, optimizer, loss, itertools.count(1), steps=20)
    assert [step for step, _ in rates] == list(range(1, 21))
    assert rates[0][1] == pytest.approx(0.025)
    assert rates[10][1] == pytest.approx(0.05)
    assert rates[19][1] < 0.001
    assert max(rate for _, rate in rates) == rates[3][1] > 0.09


def test_nothing_left_to_train(tmp_path: Path) -> None:
    assert train(8, tmp_path) == train(8, tmp_path)


def test_damage_costs_one_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = train(10, tmp_path)
    newest = tmp_path / "step-0000000010.checkpoint"
    newest.write_bytes(newest.read_bytes()[:-1])
    capsys.readouterr()
    assert train(10, tmp_path) == whole
    told = capsys.readouterr().err
    assert f"{newest}: damaged" in told
    assert "goes on after step 8" in told


def test_another_run_is_refused(tmp_path: Path) -> None:
    train(8, tmp_path)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"width": 5}, "network is another"),
        ({"momentum": 0.8}, "optimizer is another"),
        ({"data": "sha256:2"}, "data is sha256:1 there and sha256:2 here"),
        ({"cosine": True}, "optimizer is another; learning_rate_schedule is another; steps is"),
        ({"steps": 7}, "it is at step 8, and 7 steps are asked for"),
    ]
    for change, reason in changes:
        with pytest.raises(CheckpointError, match=reason):
            train(**{"steps": 8, "checkpoint": tmp_path, **change})


def test_digest_tells_data_apart() -> None:
    digests = {
        training.digest(np.zeros((2, 3), np.float32)),
        training.digest(np.zeros((3, 2), np.float32)),
        training.digest(np.zeros((2, 3), np.int32)),
        training.digest(np.ones((2, 3), np.float32)),
    }
    assert len(digests) == 4
    assert all(digest.startswith("sha256:") for digest in digests)


@pytest.mark.parametrize("layer", [nn.BatchNorm2D, nn.BatchNorm1D])
def test_batch_norm_is_refused(layer: type[nn.Layer]) -> None:
    net = nn.Sequential(nn.Linear(4, 4), layer(4))
    optimizer = paddle.optimizer.SGD(0.1, parameters=net.parameters())
    with pytest.raises(ValueError, match=rf"{layer.__name__} trains to other bits.*GroupNorm"):
        training.refuse_unportable(net, optimizer)


def test_adam_is_refused() -> None:
    net = nn.Linear(4, 4)
    optimizer = paddle.optimizer.Adam(0.1, parameters=net.parameters())
    with pytest.raises(ValueError, match=r"Adam trains to other bits.*Momentum.*--fast"):
        training.refuse_unportable(net, optimizer)
    training.refuse_unportable(net, paddle.optimizer.Momentum(0.1, parameters=net.parameters()))


def test_accuracy() -> None:
    outputs = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], np.float32)
    assert training.accuracy(outputs, np.array([1, 0, 0])) == pytest.approx(2 / 3)


def test_shares_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("PADDLE_TRAINER_ID", str(rank))
        shares.append(distributed.share(np.arange(8)))
    assert [len(rows) for rows in shares] == [3, 3, 2]
    assert np.array_equal(np.concatenate(shares), np.arange(8))
    assert distributed.part(9) == 3
    with pytest.raises(click.UsageError, match="batch of 2 has no row for each of 3 processes"):
        distributed.share(np.arange(2))
    with pytest.raises(click.UsageError, match="take a --batch-size that 3 divides"):
        distributed.part(8)


@pytest.mark.parametrize("place", ["import nowhere.near\n", "    import nowhere.near\n"])
def test_a_module_that_is_not_there_is_told_in_a_sentence(tmp_path: Path, place: str) -> None:
    trainer = tmp_path / "train.py"
    inside = place.startswith(" ")
    trainer.write_text(
        f"from paddle_training import training\n{'' if inside else place}"
        "@training.program\n"
        f"def main(run: training.Run) -> None:\n{place if inside else '    pass'}\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, trainer, f"--out={tmp_path}/out"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{trainer}:{4 if inside else 2}: there is no module nowhere" in done.stderr
    assert '"@pypi//NAME"' in done.stderr
    assert "Traceback" not in done.stderr
