"""Lays out what is in an image as a treemap: layers, in them components and large files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import squarify

# Widths at 12 px of the widest font that may come (DejaVu Sans); what is cut off is in the title.
_NARROW, _WIDE = frozenset(" !'()*,-./:;I[]fijlrt|"), frozenset("%@MW_mw…")
_LINE = 16
_HEADING = 20
_GAP = 2


@dataclass
class Node:
    """A thing with a size in bytes; `title` says all of it, `label` is what is drawn."""

    label: str
    title: str
    size: int
    key: str = ""  # of the colour
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Box:
    """A rectangle with its label, in units of the drawing; "" where no label has room."""

    x: float
    y: float
    width: float
    height: float
    node: Node
    label: str
    second: bool  # whether there is room for a second line
    children: tuple[Box, ...] = ()


def text_width(text: str, bold: bool = False) -> float:
    """The room that a text takes, or a little more."""
    widths = [
        5.0 if c in _NARROW else 12.0 if c in _WIDE else 9.4 if c.isupper() else 7.7 for c in text
    ]
    return sum(widths) * (1.14 if bold else 1)


def fitting(label: str, width: float, bold: bool = False) -> str:
    """As much of a label as a width has room for; "" where that tells nothing."""
    if text_width(label, bold) <= width - 8:
        return label
    for end in range(len(label) - 1, 2, -1):
        cut = label[:end].rstrip() + "…"
        if text_width(cut, bold) <= width - 8:
            return cut
    return ""


def _place(
    nodes: Sequence[Node], x: float, y: float, width: float, height: float
) -> list[tuple[Node, float, float, float, float]]:
    """Squarified, a gap between neighbours."""
    ordered = sorted((n for n in nodes if n.size > 0), key=lambda n: -n.size)
    if not ordered or width <= 0 or height <= 0:
        return []
    sizes = squarify.normalize_sizes([n.size for n in ordered], width, height)
    placed = []
    for node, r in zip(ordered, squarify.squarify(sizes, x, y, width, height), strict=True):
        gap = min(_GAP, r["dx"] / 4, r["dy"] / 4)
        placed.append((node, r["x"], r["y"], r["dx"] - gap, r["dy"] - gap))
    return placed


def layout(nodes: Sequence[Node], width: float, height: float) -> list[Box]:
    """A box for each node that has a size, with the boxes of its children inside."""
    boxes = []
    for node, x, y, w, h in _place(nodes, 0, 0, width, height):
        label = fitting(node.label, w, bold=True) if h >= _HEADING + 14 else ""
        top = _HEADING if label else _GAP
        inner = _place(node.children, x + _GAP, y + top, w - _GAP, h - top)
        children = tuple(_leaf(*place) for place in inner)
        boxes.append(Box(x, y, w, h, node, label, False, children))
    return boxes


def _leaf(node: Node, x: float, y: float, width: float, height: float) -> Box:
    label = fitting(node.label, width) if height >= _LINE + 4 else ""
    second = bool(label) and height >= 2 * _LINE + 6 and width >= text_width("0,000 MB") + 8
    return Box(x, y, width, height, node, label, second)
