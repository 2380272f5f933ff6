"""The loop trains, counts in steps, and refuses what cannot be the same bits everywhere."""
# ruff: noqa: E402  # paddle is imported after runtime.start

import itertools

import numpy as np
import pytest

from paddle_images import runtime, training

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
    with pytest.raises(ValueError, match="batch of 32 from 10 rows"):
        next(training.batches(10, 32, seed=0))


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
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == f"step 200/200  loss {last:.4f}"


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
