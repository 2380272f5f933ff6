"""Which labels of a macro are found: those that its caller's workspace would look for at home."""

from pathlib import Path

import pytest

from bazel.format import labels


def found(tmp_path: Path, text: str, name: str = "defs.bzl") -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    return [line.removeprefix(f"{path}:") for line in labels.problems(path)]


@pytest.mark.parametrize(
    "word",
    ['"//bazel/x"', '"//:lock.json"', '"@pypi//pytest"', '"$(rootpath //x:run)"'],
)
def test_a_bare_string_in_a_macro(tmp_path: Path, word: str) -> None:
    (line,) = found(
        tmp_path, f"def macro(name):\n    rule(name = name)\n    use(deps = [{word}])\n"
    )
    assert line.startswith("3: ")
    assert line.endswith("write Label(...).")


def test_a_bare_string_in_a_constant(tmp_path: Path) -> None:
    (line,) = found(tmp_path, 'LAYERS = {"engine": "//images/layers:engine"}\n')
    assert line.startswith("1: ")


def test_the_main_repository_is_whoever_builds(tmp_path: Path) -> None:
    (line,) = found(tmp_path, 'load("@@//bazel:defs.bzl", "x")\n', "sdk.BUILD")
    assert line.startswith("1: @@// is the main repository")


def test_what_is_resolved_where_it_stands(tmp_path: Path) -> None:
    text = '''
"""Docs: load("//bazel/x:defs.bzl", "y")."""

load("//bazel/x:defs.bzl", "y")

_X = Label("//bazel/x")

def _impl(ctx):
    fail("//bazel/x is not there")

x = rule(
    implementation = _impl,
    attrs = {"_tool": attr.label(default = "//bazel/x:tool")},
)

def macro(name):
    """Makes `//name`.

    Args:
      name: see //bazel/x.
    """
    x(
        name = name,
        deps = select({Label("//bazel/x:on"): [_X], "//conditions:default": []}),
        url = "https://example.com/x",
        visibility = ["//visibility:public"],
    )
'''
    assert found(tmp_path, text) == []
