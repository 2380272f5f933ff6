"""No file and no room of this tree leads back to itself; docs/flow.md has the rooms."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests import rooms


@pytest.fixture(scope="module")
def tree() -> rooms.Tree:
    # Where the runfiles' links lead: no target could have all sources as its data.
    root = Path(__file__).resolve().parents[1]
    assert (root / "MODULE.bazel").exists(), f"{root} is no checkout; run the test where one is"
    return rooms.Tree(root)


@pytest.fixture(scope="module")
def uses(tree: rooms.Tree) -> Sequence[rooms.Use]:
    return tree.uses()


def told(circle: list[rooms.Use]) -> str:
    return "".join(f"\n  {use.user}:{use.line} uses {use.used}" for use in circle)


def test_no_file_leads_back_to_itself(tree: rooms.Tree, uses: Sequence[rooms.Use]) -> None:
    circle = rooms.circle(uses, lambda place: place if place in tree.files else None)
    assert not circle, f"files use each other in a circle:{told(circle)}"


@pytest.mark.parametrize("kind", ["rooms of docs/flow.md", "folders"])
def test_no_room_leads_back_to_itself(
    tree: rooms.Tree, uses: Sequence[rooms.Use], kind: str
) -> None:
    named = rooms.rooms((tree.root / "docs/flow.md").read_text())
    place: Callable[[str], str | None] = tree.folder
    if kind != "folders":
        place = functools.partial(rooms.room_of, named=named)
    circle = rooms.circle(uses, place)
    assert not circle, f"{kind} use each other in a circle:{told(circle)}"


def test_every_source_has_a_room(tree: rooms.Tree) -> None:
    named = rooms.rooms((tree.root / "docs/flow.md").read_text())
    kinds = (".py", ".bzl", ".cc", ".h")
    sources = [file for file in tree.files if file.endswith(kinds)]
    assert sorted(f for f in sources if not rooms.room_of(f, named)) == []


def test_every_fuzz_test_is_among_those_that_are_fuzzed_long(tree: rooms.Tree) -> None:
    there = [
        f"//{file.parent.relative_to(tree.root)}:{name}"
        for file in tree.root.glob("cc/**/BUILD.bazel")
        for name in re.findall(r'cc_fuzz_test\(\s*name = "(\w+)"', file.read_text())
    ]
    listed = re.findall(r'"(//cc/\S+_fuzz_test)"', (tree.root / "cc/BUILD.bazel").read_text())
    assert sorted(there) == listed, "cc/BUILD.bazel"


# What is a use, and what is not, on a tree of a few files.


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., rooms.Tree]:
    def make(files: Mapping[str, str]) -> rooms.Tree:
        mypy = '[tool.mypy]\nmypy_path = "$MYPY_CONFIG_FILE_DIR:$MYPY_CONFIG_FILE_DIR/python"\n'
        for name, text in {"pyproject.toml": mypy, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return rooms.Tree(tmp_path)

    return make


def pairs(tree: rooms.Tree) -> set[tuple[str, str]]:
    return {(use.user, use.used) for use in tree.uses()}


@pytest.mark.parametrize(
    "line",
    [
        "from a import y",
        "from a.y import z",
        "import a.y",
        "if TYPE_CHECKING:\n    import a.y",
        "def f():\n    from a import y",
        "import y",  # beside it
    ],
)
def test_imports_are_found(small: Callable[..., rooms.Tree], line: str) -> None:
    tree = small({"a/x.py": line, "a/y.py": "from a import x\n"})
    assert pairs(tree) == {("a/x.py", "a/y.py"), ("a/y.py", "a/x.py")}
    circle = rooms.circle(tree.uses(), lambda place: place)
    assert [use.user for use in circle] == ["a/x.py", "a/y.py"]


def test_labels_are_found_where_they_are_no_tests(small: Callable[..., rooms.Tree]) -> None:
    build = """
load("//b:defs.bzl", "rule")
load("//c:defs.bzl", "check_test")

_FILES = ["//d:file"]

rule(name = "x", deps = ["//e", "@mine//f:g", "@other//h"], visibility = ["//i:__pkg__"])
check_test(name = "y", srcs = ["y.py"], data = _FILES)
py_library(name = "z", testonly = True, srcs = ["z.py"], deps = ["//j"])
[check_test(name = name, data = [label]) for name, label in {"w": "//n"}.items()]
[rule(name = name, data = [label]) for name, label in {"v": "//o"}.items()]
"""
    files = {"a/BUILD.bazel": build, "a/y.py": "import b.x", "a/z.py": "import b.x", "b/x.py": ""}
    files |= {"m/MODULE.bazel": 'module(name = "mine")', "m/x.bzl": 'load("//k:l.bzl", "l")'}
    tree = small({**files, "b/defs.bzl": "", "cc/x.h": "", "cc/x.cc": '#include "cc/x.h"\n'})
    assert pairs(tree) == {
        ("a/BUILD.bazel", "b/defs.bzl"),
        ("a/BUILD.bazel", "e"),
        ("a/BUILD.bazel", "m/f"),
        ("a/BUILD.bazel", "o"),
        ("m/x.bzl", "m/k"),
        ("cc/x.cc", "cc/x.h"),
    }


def test_a_circle_of_rooms_is_told_with_its_lines(small: Callable[..., rooms.Tree]) -> None:
    files = {
        "a/x.py": "",
        "a/y.py": "\nimport b.x\n",
        "b/private/x.py": "import a.x\n",
        "b/x.py": "",
    }
    tree = small(files)
    page = "| folder | what |\n| --- | --- |\n| `a` | one |\n| `b`, `c` | two |\n"
    named = rooms.rooms(page)
    assert named == ["a", "b", "c"]
    assert rooms.circle(tree.uses(), lambda place: place) == []
    circle = rooms.circle(tree.uses(), tree.folder)
    assert told(circle) == "\n  a/y.py:2 uses b/x.py\n  b/private/x.py:1 uses a/x.py"
    assert circle == rooms.circle(tree.uses(), lambda place: rooms.room_of(place, named))
