"""Rectangles have the areas of what they stand for, lie within each other, and labels fit."""

from __future__ import annotations

from itertools import combinations

import pytest

from bazel.image.report.treemap import Box, Node, fitting, layout

_WIDTH, _HEIGHT = 1120.0, 460.0
_NODES = [
    Node("engine", "", 400, children=[Node("libpaddle.so", "", 230), Node("rest", "", 170)]),
    Node("program", "", 90, children=[Node("server", "", 90)]),
    Node("base", "", 10, children=[Node("passwd", "", 10)]),
    Node("empty", "", 0),
]


def _within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x + 1e-6
        and outer.y <= inner.y + 1e-6
        and inner.x + inner.width <= outer.x + outer.width + 1e-6
        and inner.y + inner.height <= outer.y + outer.height + 1e-6
    )


def _apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x + 1e-6
        or other.x + other.width <= one.x + 1e-6
        or one.y + one.height <= other.y + 1e-6
        or other.y + other.height <= one.y + 1e-6
    )


def test_boxes_lie_within_and_apart() -> None:
    whole = Box(0, 0, _WIDTH, _HEIGHT, Node("", "", 0), "", False)
    boxes = layout(_NODES, _WIDTH, _HEIGHT)
    assert [box.node.label for box in boxes] == ["engine", "program", "base"]
    assert all(_within(box, whole) for box in boxes)
    assert all(_within(leaf, box) for box in boxes for leaf in box.children)
    assert all(_apart(*pair) for pair in combinations(boxes, 2))
    assert all(_apart(*pair) for box in boxes for pair in combinations(box.children, 2))


def test_areas_are_the_sizes() -> None:
    engine, program, _ = layout(_NODES, _WIDTH, _HEIGHT)
    ratio = (engine.width * engine.height) / (program.width * program.height)
    assert ratio == pytest.approx(400 / 90, rel=0.05)  # but for the gaps


def test_many_tiny_things_have_a_box_of_some_size() -> None:
    nodes = [Node(str(at), "", 1, children=[Node("x", "", 1)]) for at in range(500)]
    boxes = layout([Node("huge", "", 10**9), *nodes], _WIDTH, _HEIGHT)
    assert len(boxes) == 501
    assert all(box.width > 0 and box.height > 0 for box in boxes)
    assert all(leaf.width > 0 and leaf.height > 0 for box in boxes for leaf in box.children)


def test_labels_are_cut_or_left_out() -> None:
    assert fitting("libpaddle.so", 200) == "libpaddle.so"
    assert fitting("libpaddle.so", 70) == "libpadd…"
    assert fitting("libpaddle.so", 70, bold=True) == "libpad…"
    assert fitting("libpaddle.so", 30) == ""
