"""Networks that compute rows, indices and lengths from their inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F  # noqa: N812
from paddle import nn
from value_cases import BATCH, COLUMNS, FAR, SEVEN, WRONG, Case, ids, index, recurrent

UP = WRONG[:5]


def beside(forward: Callable[..., Any], **more: Any) -> Case:
    """Looks up the sum of its input and another one, which is zero."""
    case = replace(index(forward, wrong=FAR), **more)
    return replace(case, x=np.zeros_like(case.ids), x_shape=case.shape)


def grows(w: paddle.Tensor, i: paddle.Tensor) -> paddle.Tensor:
    """Its indices are others in each round: 1, 2 and 4 times the input."""
    count = paddle.zeros([1], "int64")
    total = paddle.zeros([7, 8], "float32")
    rows = i * 1
    while count < 3:
        total = total + paddle.gather(w, rows)
        rows = rows + rows
        count = count + 1
    return total


def in_either_branch(w: paddle.Tensor, x: paddle.Tensor, i: paddle.Tensor) -> paddle.Tensor:
    if x.sum() > 0:  # noqa: SIM108  # Paddle makes operators of an if alone
        y = paddle.gather(w, i - x)
    else:
        y = paddle.gather(w, i + x)
    return y


def lstm_at_least(layer: nn.Layer, x: paddle.Tensor, n: paddle.Tensor) -> paddle.Tensor:
    return layer(x, sequence_length=paddle.maximum(n, paddle.ones_like(n)))[0]


# The walk from them ends before the inputs: operators in the program check them in the run.
GUARDED: dict[str, Case] = {
    "where": ids(lambda w, i: F.embedding(paddle.where(i == 3, paddle.zeros_like(i), i), w)),
    "maximum": ids(
        lambda w, i: F.embedding(paddle.maximum(i, paddle.zeros_like(i)), w),
        right=(-5, 0, 99),
        wrong=UP,
    ),
    "minus_tensor": ids(lambda w, x, i: F.embedding(i - x, w), x=BATCH * 0, x_shape=(None, 7)),
    "padding_beside": beside(lambda w, x, i: F.embedding(i + x, w, padding_idx=0)),
    "float_plus": ids(
        lambda w, i: F.embedding((i + 1.0).astype("int64"), w),
        ids=np.zeros((2, 7), np.float32),
        parameters=[(129, 8)],
        right=(-1, 127, 127.9),
        wrong=(127.99999,),  # and 1 is 129 in float32
    ),
    "float_clip": ids(
        lambda w, i: F.embedding(paddle.clip(i, 0, 99).astype("int64"), w),
        ids=BATCH.astype(np.float32),
        right=(-1e9, 99, 1e9),
        wrong=(float("nan"),),
    ),
    "half": ids(
        lambda w, i: F.embedding(i.astype("int64"), w),
        ids=BATCH.astype(np.float16),
        wrong=(100, 30000, -1, float("nan")),
    ),
    "slice_of_slice": ids(lambda w, i: F.embedding(i[:, 0:3][:, 0], w)),
    "gather_sum": ids(
        lambda w, i: paddle.gather(w, i.sum(axis=1)),
        ids=np.zeros((2, 7), np.int64),
    ),
    "gather_scalar": index(
        lambda w, i: paddle.gather(w, i.sum()), ids=np.zeros(7, np.int64), shape=(7,)
    ),
    "gather_int32": beside(
        lambda w, x, i: paddle.gather(w, i + x),
        ids=SEVEN.astype(np.int32),
        wrong=(100, 100_000, -1, -100_000),
    ),
    "gather_computed": index(
        lambda w, i: paddle.gather(paddle.masked_select(w, w[:, :1] > 0).reshape([-1, 8]), i)
    ),
    "gather_own": index(
        lambda i: paddle.gather(paddle.nonzero(i + 1).flatten(), i),
        parameters=[],
        right=(0, 6),
        wrong=(7, *FAR),
    ),
    "gather_of_none": index(
        lambda w, i: paddle.gather(w, paddle.nonzero(i > 1000).flatten()),
        right=(5, 1001),
        wrong=(),
    ),
    "gather_of_empty": index(
        lambda i: paddle.gather(paddle.nonzero(i > 1000), i - i),
        parameters=[],
        ids=np.array([2000]),
        right=(2001,),
        wrong=(0,),
    ),
    "none_of_empty": index(
        lambda i: paddle.gather(paddle.nonzero(i > 1000), paddle.nonzero(i > 2000).flatten()),
        parameters=[],
        right=(5, 2001, 1001),
        wrong=(),
    ),
    "take_along_axis_where": index(
        lambda w, i: paddle.take_along_axis(w, paddle.where(i == 3, paddle.zeros_like(i), i), 1),
        parameters=[(3, 100)],
        ids=COLUMNS,
        shape=(3, 7),
    ),
    "put_along_axis_beside": beside(
        lambda w, x, i: paddle.put_along_axis(w, i + x, paddle.ones([3, 7]), 1),
        parameters=[(3, 100)],
        ids=COLUMNS,
        shape=(3, 7),
    ),
    "gather_nd_beside": beside(
        lambda w, x, i: paddle.gather_nd(w, i + x),
        ids=np.array([[5, 3], [99, 7]]),
        shape=(None, 2),
    ),
    "gather_nd_row_beside": beside(
        lambda w, x, i: paddle.gather_nd(w, i + x), ids=SEVEN.reshape(7, 1), shape=(None, 1)
    ),
    "index_select_beside": beside(lambda w, x, i: paddle.index_select(w, i + x)),
    "index_sample_beside": beside(
        lambda w, x, i: paddle.index_sample(w, i + x),
        parameters=[(3, 100)],
        ids=COLUMNS,
        shape=(3, 7),
    ),
    "index_put_beside": beside(
        lambda w, x, i: paddle.index_put(w, (i + x,), paddle.ones([8])),
        right=(-100, -1, 0, 99),
        wrong=(100, 2**40, -101, -(2**62)),
    ),
    "scatter_beside": beside(
        lambda w, x, i: paddle.scatter(w * 1, i + x, paddle.ones([7, 8])), shape=(7,)
    ),
    "scatter_nd_add_beside": beside(
        lambda w, x, i: paddle.scatter_nd_add(w, i + x, paddle.ones([7, 8])),
        ids=SEVEN.reshape(7, 1),
        shape=(7, 1),
    ),
    "one_hot_beside": beside(lambda x, i: F.one_hot(i + x, 100), parameters=[]),
    "multiplex_beside": beside(
        lambda w, v, x, i: paddle.multiplex([w, v], i + x),
        parameters=[(2, 8), (2, 8)],
        ids=np.array([[0], [1]], np.int32),
        shape=(None, 1),
        right=(0, 1),
        wrong=(2, 100, 100_000, -1, -100_000),
    ),
    "max_unpool_beside": beside(
        lambda w, x, i: F.max_unpool2d(w, i + x, 2),
        parameters=[(1, 2, 2, 2)],
        ids=np.arange(8, dtype=np.int32).reshape(1, 2, 2, 2),
        shape=(1, 2, 2, 2),
        right=(0, 15),
        wrong=(16, 100, 100_000, -1, -100_000),
    ),
    "ctc_labels_beside": beside(
        lambda w, x, i: F.ctc_loss(
            w, i + x, paddle.full([2], 7, "int64"), paddle.full([2], 2, "int64"), reduction="none"
        ),
        parameters=[(7, 2, 5)],
        ids=np.ones((2, 2), np.int32),
        shape=(2, 2),
        right=(0, 4),
        wrong=(5, 100_000, -1, -100_000),
    ),
    "lstm_maximum": replace(
        recurrent(nn.LSTM), forward=lstm_at_least, right=(-3, 0, 1, 7), wrong=(8, 100, 2**40)
    ),
    "lstm_maximum_open": replace(
        recurrent(nn.LSTM, None), forward=lstm_at_least, right=(-3, 0, 1, 7), wrong=(8, 100, 2**40)
    ),
    # As positions are made, which no input has: from a length.
    "positions": index(
        lambda w, i: F.embedding(paddle.arange(0, i[0], 1, "int64"), w),
        ids=np.array([7]),
        shape=(1,),
        right=(1, 100),
        wrong=(101, 5000),
    ),
    "loop_changes": index(
        grows, ids=np.zeros(7, np.int64), shape=(7,), right=(0, 24), wrong=(25, 50, *WRONG)
    ),
    "branches": beside(in_either_branch, shape=(7,)),
}

# Lengths whose sum must be the number of boxes: no clip makes them so. docs/engine.md names it.
NOT_CAUGHT: dict[str, Case] = {
    "roi_align": index(
        lambda w, v, n: paddle.vision.ops.roi_align(w, v, n, 4),
        parameters=[(2, 3, 8, 8), (2, 4)],
        ids=np.array([1, 1], np.int32),
        shape=(2,),
        right=(1,),
    ),
}
