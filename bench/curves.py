"""What changed over time: curves in SVG, alone or as an HTML page with a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench import page


@dataclass(frozen=True)
class Curve:
    """Values over minutes."""

    title: str
    points: Sequence[tuple[float, float]]

    @property
    def most(self) -> float:
        return max(value for _, value in self.points)

    def path(self, width: float, height: float) -> str:
        """The points of an SVG polyline, from zero to the most on both axes."""
        last = max(minutes for minutes, _ in self.points) or 1
        top = self.most or 1
        return " ".join(
            f"{width * minutes / last:.1f},{height * (1 - value / top):.1f}"
            for minutes, value in self.points
        )


def render(
    title: str, notes: Sequence[str], curves: Sequence[Curve], rows: Sequence[Sequence[str]]
) -> str:
    """The page; the first of the rows is the table's head."""
    template = page.environment().get_template("curves.html.jinja")
    return str(template.render(title=title, notes=notes, curves=curves, rows=rows))


def draw(title: str, curves: Sequence[Curve], columns: int = 2) -> str:
    """The curves alone, an SVG file that needs nothing but itself."""
    template = page.environment().get_template("curves.svg.jinja")
    rows = -(-len(curves) // columns)
    return str(template.render(title=title, curves=curves, columns=columns, rows=rows))
