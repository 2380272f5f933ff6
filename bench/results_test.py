"""The tables that //bench:serving prints."""

from xml.etree import ElementTree

from bench import curves, page
from bench.curves import Curve
from bench.results import Goal, Result


def result(**rates: list[float]) -> Result:
    made = Result("binary-16", "a title")
    for server, values in rates.items():
        made.row(server).rounds += [{"rate": value, "p99_ms": 1e3 / value} for value in values]
    return made


def test_a_table_has_medians_and_the_least_and_most() -> None:
    assert result(ours=[300, 100, 200], peer=[50]).lines() == [
        "| server | req/s | least - most | p99 ms | errors |",
        "| --- | --- | --- | --- | --- |",
        "| ours | 200 | 100 - 300 | 5.00 | 0 |",
        "| peer | 50 | 50 - 50 | 20.00 | 0 |",
    ]


def test_a_goal_takes_the_best_row_of_each_side() -> None:
    measured = [result(ours=[200], better=[300], peer=[100], other=[150])]
    of = ("ours", "better")
    goal = Goal("binary-16", "t", "rate", 2, of, ("peer", "other"))
    assert goal.line(measured) == "| t | 2.00 x peer | >= 2 |"
    latency = Goal("binary-16", "t", "p99_ms", 0.4, of, ("peer", "other"))
    assert latency.line(measured) == "| t | 0.50 x peer | <= 0.4, missed |"
    alone = Goal("binary-16", "t", "rate", 400, of)
    assert alone.line(measured) == "| t | 300.00 | >= 400, missed |"


def test_a_goal_is_not_told_of_what_was_not_measured() -> None:
    assert Goal("binary-16", "t", "rate", 2, ("ours",), ("x",)).line([result(ours=[1])]) is None
    assert Goal("json-16", "t", "rate", 2, ("ours",)).line([result(ours=[1])]) is None


def test_the_page_needs_nothing_but_itself() -> None:
    told = {
        "date": "2026-01-01",
        "machine": {"processor": "<cpu>", "cores": 2, "kernel": "6"},
        "title": "a title",
        "how": "Medians of 1 round",
        "notes": ["a < b"],
        "goals": [],
    }
    text = page.render(told, [result(ours=[200], peer=[100])])
    assert "&lt;cpu&gt;" in text and "a &lt; b" in text
    assert text.count("<rect") == 4 and 'width="115.0"' in text
    assert "http" not in text and "<script" not in text


def test_curves_are_a_file_of_svg_that_needs_nothing_but_itself() -> None:
    text = curves.draw("a < b", [Curve("memory, MB", [(0.5, 100), (1, 50)])] * 3)
    drawn = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert drawn.findtext(f"{name}title") == "a < b"
    points = [line.get("points") for line in drawn.iter(f"{name}polyline")]
    assert points == ["200.0,0.0 400.0,65.0"] * 3
    assert "url(" not in text and text.count("http") == 1
