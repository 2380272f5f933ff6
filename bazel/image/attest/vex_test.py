"""Statements about vulnerabilities are of libraries that the image has."""

import json
from pathlib import Path

import pytest

from bazel.image.attest import sbom, vex
from bazel.image.attest.components import Component
from bazel.image.base.processes import UserError
from bazel.image.oci.artifacts import Layout
from bazel.image.oci.layout import Image, ImageError
from bazel.oci.layout import OCI_CONFIG, OCI_MANIFEST

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
    config = layout.json(OCI_CONFIG, {"architecture": "amd64"})
    layout.finish(layout.json(OCI_MANIFEST, {"config": config, "layers": []}))
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


def test_a_statement_may_be_about_the_image_for_one_machine(image: Image, tmp_path: Path) -> None:
    of_arm64 = STATEMENTS.replace("- wheel", "- machine: arm64\n    wheel").partition("\n")[2]
    of_arm64 = of_arm64.replace("1.1.1", "1.1.2").replace("CVE-1", "CVE-2")
    (tmp_path / "vex.yaml").write_text(STATEMENTS + of_arm64.partition("\n")[2])
    known = vex.document(image, "team/box", tmp_path / "vex.yaml", [WHEEL, lock("1.1.1")])
    assert [s["vulnerability"]["name"] for s in known["statements"]] == ["CVE-1-1", "CVE-1-2"]


@pytest.mark.parametrize(
    ("found", "has"), [([WHEEL, lock("1.1.2")], "1.1.2"), ([WHEEL], "none"), ([], "none")]
)
def test_another_library_makes_no_old_statement(
    image: Image, tmp_path: Path, found: list[Component], has: str
) -> None:
    with pytest.raises(ImageError, match=f"lock 1.1.1 in box, but the image has {has}: see what"):
        vex.document(image, "team/box", tmp_path / "vex.yaml", found)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("1.1.1", "1.10", "statements[0].version: 1.1 is not of type 'string': put it in quotes"),
        ('"2026-01-02T00:00:00Z"', "2026-01-02", "statements[0].date: 2026-01-02 is not of type"),
        ("2026-01-02T00", "yesterday", "statements[0].date: 'yesterday:00:00Z' does not match"),
        ("not_affected", "not-affected", "statements[0].status: 'not-affected' is not one of ["),
        ("not_affected", "fixed", "statements[0]: `not_affected` has a justification"),
        ("not_affected", "affected", "statements[0]: `not_affected` has a justification"),
        ("    status: not_affected\n", "", "statements[0]: 'status' is a required property"),
        ("    notes: N", "    note: N", "statements[0] has the unknown note; known are action"),
        ("[CVE-1-1, CVE-1-2]", "[]", "statements[0].vulnerabilities: [] "),
        ("  - wheel: box\n", "  - wheel: box\n    wheel: bag\n", "the key 'wheel' is there twice"),
    ],
)
def test_what_is_no_statement_is_named_with_its_place(
    image: Image, tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    assert right in STATEMENTS
    file = tmp_path / "vex.yaml"
    file.write_text(STATEMENTS.replace(right, wrong))
    with pytest.raises(UserError) as error:
        vex.document(image, "team/box", file, [WHEEL, lock("1.1.1")])
    assert str(error.value).startswith(f"{file} is no")
    assert says in str(error.value)


def test_what_affects_an_image_says_what_to_do(image: Image, tmp_path: Path) -> None:
    told = STATEMENTS.replace("not_affected", "affected").replace("justification:", "action:")
    (tmp_path / "vex.yaml").write_text(told)
    known = vex.document(image, "team/box", tmp_path / "vex.yaml", [WHEEL, lock("1.1.1")])
    assert known["statements"][0]["action_statement"] == "vulnerable_code_not_in_execute_path"
    assert "justification" not in known["statements"][0]


def test_who_builds_reads_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tool of the build tells mistakes, and no traceback."""
    layout = Layout(tmp_path / "image")
    config = layout.json("application/vnd.oci.image.config.v1+json", {"config": {}})
    layout.finish(layout.json(OCI_MANIFEST, {"config": config, "layers": []}))
    (tmp_path / "lock.json").write_text(json.dumps({"packages": [], "wheels": []}))
    (tmp_path / "vex.yaml").write_text(STATEMENTS)
    files = {"layout": "image", "vex": "vex.yaml", "out": "out"}
    files |= {"debian-lock": "lock.json", "wheels-lock": "lock.json"}
    flags = [f"--{flag}={tmp_path}/{name}" for flag, name in files.items()]
    assert sbom.main([*flags, "--name=box"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"paddle_images: {tmp_path}/vex.yaml is about lock 1.1.1 in box, but")
