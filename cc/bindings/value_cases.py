"""Networks that take rows, indices and lengths for inputs, and values that do not fit them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from paddle import nn

Shape = tuple[int | None, ...]

# Around a table of 100 rows: beside it, in other memory of the process, and far outside.
WRONG = (100, 101, 100_000, 2**31 - 1, 2**40, -1, -100, -101, -100_000, -(2**62))
FAR = (100, 100_000, 2**40, -1, -(2**62))
LENGTHS = (8, 100, 100_000, -1, -100, 2**40)  # of sequences of 7


@dataclass(frozen=True)
class Case:
    """A network over its parameters and inputs; the last input is the one that is checked."""

    forward: Callable[..., Any]
    ids: NDArray[Any]
    shape: Shape = (None,)  # of ids, as declared
    right: Sequence[float] = (0, 99)  # the least and the greatest that fit
    wrong: Sequence[float] = WRONG
    parameters: Sequence[Shape | Callable[[], nn.Layer]] = ((100, 8),)
    x: NDArray[np.float32] | NDArray[np.int64] | None = None  # another input
    x_shape: Shape = ()

    @property
    def inputs(self) -> dict[str, tuple[NDArray[Any], Shape]]:
        other = {} if self.x is None else {"x": (self.x, self.x_shape)}
        return {**other, "ids": (self.ids, self.shape)}


SEVEN = np.arange(7, dtype=np.int64)
BATCH = np.arange(14, dtype=np.int64).reshape(2, 7)
OPEN = (None, 7)


def ids(forward: Callable[..., Any], **more: Any) -> Case:
    return replace(Case(forward, BATCH, OPEN), **more)


def index(forward: Callable[..., Any], **more: Any) -> Case:
    return replace(Case(forward, SEVEN), **more)


def fitting(dtype: str) -> list[int]:
    """Those of WRONG that the type has."""
    info = np.iinfo(dtype)
    return [value for value in WRONG if info.min <= value <= info.max]


def in_loop(w: paddle.Tensor, i: paddle.Tensor) -> paddle.Tensor:
    count = paddle.zeros([1], "int64")
    total = paddle.zeros([2, 7, 8], "float32")
    while count < 3:
        total = total + F.embedding(i, w)
        count = count + 1
    return total


def in_branch(w: paddle.Tensor, i: paddle.Tensor) -> paddle.Tensor:
    if i.sum() > -(10**15):  # noqa: SIM108  # Paddle makes operators of an if alone
        y = F.embedding(i, w)
    else:
        y = F.embedding(i * 0, w)
    return y


def recurrent(kind: type[nn.Layer], time: int | None = 7, **options: Any) -> Case:
    return Case(
        lambda layer, x, n: layer(x, sequence_length=n)[0],
        ids=np.array([7, 3]),
        right=(0, 7),
        wrong=LENGTHS,
        parameters=[lambda: kind(4, 5, **options)],
        x=np.ones((2, 7, 4), np.float32),
        x_shape=(None, time, 4),
    )


ROWS = np.ones((100, 8), np.float32)
WIDE = np.ones((3, 100), np.float32)
COLUMNS = np.arange(21).reshape(3, 7)

CAUGHT: dict[str, Case] = {
    "embedding": ids(lambda w, i: F.embedding(i, w)),
    "padding_idx": ids(lambda w, i: F.embedding(i, w, padding_idx=0)),
    "last_padding_idx": ids(lambda w, i: F.embedding(i, w, padding_idx=-1)),
    "sparse": ids(lambda w, i: F.embedding(i, w, sparse=True)),
    "int32": ids(
        lambda w, i: F.embedding(i, w), ids=BATCH.astype(np.int32), wrong=fitting("int32")
    ),
    "cast": ids(
        lambda w, i: F.embedding(i.astype("int64"), w),
        ids=BATCH.astype(np.int32),
        wrong=fitting("int32"),
    ),
    "uint8": ids(
        lambda w, i: F.embedding(i.astype("int64"), w), ids=BATCH.astype(np.uint8), wrong=(100, 255)
    ),
    "float": ids(
        lambda w, i: F.embedding(i.astype("int64"), w),
        ids=BATCH.astype(np.float32),
        right=(-0.5, 0, 99, 99.5),
        wrong=(100, 1e5, 1e30, -1, -1e5, float("nan"), float("inf")),
    ),
    "reshape": ids(lambda w, i: F.embedding(i.reshape([-1]), w)),
    "squeeze": ids(
        lambda w, i: F.embedding(i.squeeze(-1), w),
        ids=BATCH.reshape(2, 7, 1),
        shape=(None, 7, 1),
    ),
    "unsqueeze": ids(lambda w, i: F.embedding(i.unsqueeze(1), w)),
    "flatten": ids(lambda w, i: F.embedding(i.flatten(), w)),
    "transpose": ids(lambda w, i: F.embedding(i.transpose([1, 0]), w)),
    "slice": ids(lambda w, i: F.embedding(i[:, 0], w)),
    "split": ids(
        lambda w, i: F.embedding(paddle.split(i, 7, axis=1)[0], w),
    ),
    "unbind": ids(lambda w, i: F.embedding(paddle.unbind(i, axis=1)[0], w)),
    "concat": ids(
        lambda w, x, i: F.embedding(paddle.concat([i, x], 1), w), x=BATCH, x_shape=(None, 7)
    ),
    "stack": ids(
        lambda w, x, i: F.embedding(paddle.stack([i, x], 1), w), x=BATCH, x_shape=(None, 7)
    ),
    "expand": ids(
        lambda w, i: F.embedding(i.expand([-1, 4]), w), ids=BATCH[:, :1], shape=(None, 1)
    ),
    "tile": ids(lambda w, i: F.embedding(i.tile([1, 2]), w)),
    "flip": ids(lambda w, i: F.embedding(paddle.flip(i, [1]), w)),
    "roll": ids(lambda w, i: F.embedding(paddle.roll(i, 1, 1), w)),
    "assign": ids(lambda w, i: F.embedding(paddle.assign(i), w)),
    "plus": ids(
        lambda w, i: F.embedding(i + 1, w), right=(-1, 98), wrong=(99, *WRONG[:5], -2, *WRONG[6:])
    ),
    "minus": ids(
        lambda w, i: F.embedding(i - 1, w),
        ids=BATCH + 1,
        right=(1, 100),
        wrong=(0, *WRONG[1:]),
    ),
    "times": ids(lambda w, i: F.embedding(i * 2, w), right=(0, 49), wrong=(50, *WRONG)),
    "minus_times": ids(
        lambda w, i: F.embedding(i * -3, w),
        ids=-BATCH,
        right=(-33, 0),
        wrong=(-34, 1, 2, -100, 2**40),
    ),
    "clip_below": ids(lambda w, i: F.embedding(paddle.clip(i, min=0), w), wrong=WRONG[:5]),
    "two_tables": ids(
        lambda w, v, i: F.embedding(i, w) + F.embedding(i, v),
        parameters=[(100, 8), (15, 8)],
        right=(0, 14),
        wrong=(15, 20, *WRONG),
    ),
    "loop": ids(in_loop, shape=(2, 7)),
    "branch": ids(in_branch, shape=(2, 7)),
    "gather": index(lambda w, i: paddle.gather(w, i)),
    "gather_axis": index(lambda w, i: paddle.gather(w, i, axis=1), parameters=[(3, 100)]),
    "gather_input": index(
        lambda x, i: paddle.gather(x, i), parameters=[], x=ROWS, x_shape=(100, 8)
    ),
    "gather_open": index(
        lambda x, i: paddle.gather(x, i), parameters=[], x=ROWS, x_shape=(None, 8)
    ),
    "gather_relu": index(
        lambda x, i: paddle.gather(F.relu(x), i), parameters=[], x=ROWS, x_shape=(None, 8)
    ),
    "gather_linear": index(
        lambda layer, x, i: paddle.gather(layer(x), i),
        parameters=[lambda: nn.Linear(8, 3)],
        x=ROWS,
        x_shape=(None, 8),
    ),
    "gather_nd": index(
        lambda w, i: paddle.gather_nd(w, i), ids=SEVEN.reshape(7, 1), shape=(None, 1)
    ),
    "gather_nd_columns": index(
        lambda w, i: paddle.gather_nd(w, i),
        ids=np.array([[5, 3], [99, 7]]),
        shape=(None, 2),
    ),
    "getitem": index(lambda w, i: w[i]),
    "index_select": index(lambda w, i: paddle.index_select(w, i)),
    "index_select_axis": index(
        lambda w, i: paddle.index_select(w, i, axis=1), parameters=[(3, 100)]
    ),
    "index_sample": index(
        lambda x, i: paddle.index_sample(x, i),
        parameters=[],
        ids=COLUMNS,
        shape=(None, 7),
        x=WIDE,
        x_shape=(None, 100),
    ),
    "index_add": index(lambda w, i: paddle.index_add(w, i, 0, paddle.ones([7, 8]))),
    "index_put": index(
        lambda w, i: paddle.index_put(w, (i,), paddle.ones([8])),
        right=(-100, -1, 0, 99),
        wrong=[value for value in WRONG if not -100 <= value < 0],
    ),
    "one_hot": index(lambda i: F.one_hot(i, 100), parameters=[]),
    "label_smooth": index(lambda i: F.label_smooth(F.one_hot(i, 100)), parameters=[]),
    "take_along_axis": index(
        lambda w, i: paddle.take_along_axis(w, i, 1),
        parameters=[(3, 100)],
        ids=COLUMNS,
        shape=(3, 7),
    ),
    "put_along_axis": index(
        lambda w, i: paddle.put_along_axis(w, i, paddle.ones([3, 7]), 1),
        parameters=[(3, 100)],
        ids=COLUMNS,
        shape=(3, 7),
    ),
    "scatter": index(lambda w, i: paddle.scatter(w * 1, i, paddle.ones([7, 8])), shape=(7,)),
    "scatter_nd_add": index(
        lambda w, i: paddle.scatter_nd_add(w, i, paddle.ones([7, 8])),
        ids=SEVEN.reshape(7, 1),
        shape=(7, 1),
    ),
    "multiplex": index(
        lambda w, v, i: paddle.multiplex([w, v], i),
        parameters=[(2, 8), (2, 8)],
        ids=np.array([[0], [1]], np.int32),
        shape=(None, 1),
        right=(0, 1),
        wrong=(2, 100, 100_000, -1, -100_000),
    ),
    "send_u_recv": index(lambda w, i: paddle.geometric.send_u_recv(w, i, i * 0)),
    "send_ue_recv": index(
        lambda w, i: paddle.geometric.send_ue_recv(w, paddle.ones([7, 8]), i, i * 0), shape=(7,)
    ),
    "send_ue_recv_to": index(
        lambda w, i: paddle.geometric.send_ue_recv(w, paddle.ones([7, 8]), i * 0, i), shape=(7,)
    ),
    "send_uv": index(lambda w, i: paddle.geometric.send_uv(w, w, i, i * 0)),
    "send_uv_to": index(lambda w, i: paddle.geometric.send_uv(w, w, i * 0, i)),
    "edit_distance": Case(
        lambda x, n: F.loss.edit_distance(
            x, x, False, input_length=n, label_length=paddle.full([2], 7, "int64")
        )[0],
        ids=np.array([7, 3]),
        shape=(2,),
        right=(0, 7),
        wrong=LENGTHS,
        parameters=[],
        x=BATCH,
        x_shape=(2, 7),
    ),
    "max_unpool3d": index(
        lambda w, i: F.max_unpool3d(w, i, 2),
        parameters=[(1, 1, 2, 2, 2)],
        ids=np.arange(8, dtype=np.int32).reshape(1, 1, 2, 2, 2),
        shape=(1, 1, 2, 2, 2),
        right=(0, 63),
        wrong=(64, 100_000, -1, -100_000),
    ),
    "max_unpool": index(
        lambda w, i: F.max_unpool2d(w, i, 2),
        parameters=[(1, 2, 2, 2)],
        ids=np.arange(8, dtype=np.int32).reshape(1, 2, 2, 2),
        shape=(1, 2, 2, 2),
        right=(0, 15),
        wrong=(16, 100, 100_000, -1, -100_000),
    ),
    "gather_tree": index(
        lambda i: F.gather_tree(i * 0, i),
        parameters=[],
        ids=np.zeros((3, 2, 2), np.int64),
        shape=(3, 2, 2),
        right=(0, 1),
        wrong=(2, 100, 100_000, -1, -100_000),
    ),
    "lstm": recurrent(nn.LSTM),
    "lstm_open": recurrent(nn.LSTM, None),
    "lstm_both_ways": recurrent(nn.LSTM, direction="bidirect", num_layers=2),
    "gru": recurrent(nn.GRU),
    "gru_open": recurrent(nn.GRU, None),
    "rnn": recurrent(nn.SimpleRNN),
    "lstm_of_words": Case(
        lambda w, layer, x, n: layer(F.embedding(x, w), sequence_length=n)[0],
        ids=np.array([7, 3]),
        right=(0, 7),
        wrong=LENGTHS,
        parameters=[(100, 4), lambda: nn.LSTM(4, 5)],
        x=BATCH,
        x_shape=(None, None),
    ),
    "viterbi": index(
        lambda w, x, n: paddle.text.viterbi_decode(x, w, n, False)[1],
        parameters=[(5, 5)],
        ids=np.array([7, 3]),
        shape=(2,),
        right=(0, 7),
        wrong=LENGTHS,
        x=np.ones((2, 7, 5), np.float32),
        x_shape=(2, 7, 5),
    ),
    "ctc_labels": index(
        lambda w, i: F.ctc_loss(
            w, i, paddle.full([2], 7, "int64"), paddle.full([2], 2, "int64"), reduction="none"
        ),
        parameters=[(7, 2, 5)],
        ids=np.ones((2, 2), np.int32),
        shape=(2, 2),
        right=(0, 4),
        wrong=(5, 100_000, -1, -100_000),
    ),
    "ctc_lengths": index(
        lambda x, n: F.ctc_loss(
            x, paddle.ones([2, 2], "int32"), n, paddle.full([2], 2, "int64"), reduction="none"
        ),
        parameters=[],
        ids=np.array([7, 7]),
        shape=(2,),
        right=(5, 7),
        wrong=LENGTHS,
        x=np.ones((7, 2, 5), np.float32),
        x_shape=(7, 2, 5),
    ),
}

# A bound that is not needed: the network sees to it that the values fit.
NEEDS_NONE: dict[str, Case] = {
    "clip": ids(lambda w, i: F.embedding(paddle.clip(i, 0, 99), w), right=WRONG),
    "take_wrap": index(lambda w, i: paddle.take(w, i, mode="wrap"), right=WRONG),
    "sequence_mask": index(
        lambda i: F.sequence_mask(i, 100, "float32"), parameters=[], right=WRONG
    ),
    "other_column": ids(lambda w, i: F.embedding(i[:, 1], w), right=WRONG),
}
