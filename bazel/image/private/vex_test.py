"""Statements about vulnerabilities are of libraries that the image has."""

from pathlib import Path

import pytest

from bazel.image.private import vex
from bazel.image.private.contents import Component
from bazel.image.private.layout import Image, ImageError
from bazel.image.private.referrers import MANIFEST, Layout

STATEMENTS = """\
author: us
statements:
  - wheel: box
    library: lock
    version: 1.1.1
    date: "2026-01-02T00:00:00Z"
    status: not_affected
    justification: vulnerable_code_not_in_execute_path
    notes: Nobody turns it.
    vulnerabilities: [CVE-1-1, CVE-1-2]
"""
WHEEL = Component("wheel", "box", "1", [], purl="pkg:pypi/box@1")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    layout = Layout(tmp_path / "layout")
    layout.finish(layout.json(MANIFEST, {"layers": []}))
    (tmp_path / "vex.yaml").write_text(STATEMENTS)
    return Image(tmp_path / "layout")


def lock(version: str) -> Component:
    purl = f"pkg:generic/lock@{version}"
    return Component("vendored", "lock", version, [], purl=purl, within=WHEEL.purl)


def test_each_vulnerability_is_a_statement(image: Image, tmp_path: Path) -> None:
    known = vex.document(image, "team/box", tmp_path / "vex.yaml", [WHEEL, lock("1.1.1")])
    assert [s["vulnerability"]["name"] for s in known["statements"]] == ["CVE-1-1", "CVE-1-2"]
    assert known["timestamp"] == "2026-01-02T00:00:00Z"
    (product,) = known["statements"][0]["products"]
    assert product["@id"] == f"pkg:oci/box@{image.digest}?arch=amd64"
    assert product["subcomponents"] == [{"@id": "pkg:generic/lock@1.1.1"}]


@pytest.mark.parametrize(
    ("found", "has"), [([WHEEL, lock("1.1.2")], "1.1.2"), ([WHEEL], "none"), ([], "none")]
)
def test_another_library_makes_no_old_statement(
    image: Image, tmp_path: Path, found: list[Component], has: str
) -> None:
    with pytest.raises(ImageError, match=f"lock 1.1.1 in box, but the image has {has}: see what"):
        vex.document(image, "team/box", tmp_path / "vex.yaml", found)
