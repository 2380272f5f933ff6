"""The table of symbols in docs/api.md is what the files define."""

import ast
import re
from pathlib import Path

import pytest

ROWS = re.findall(
    r"^\| `//([^`]+):([^`]+\.bzl)` \| (.+) \|$", Path("docs/api.md").read_text(), re.M
)


def defined(file: Path) -> set[str]:
    """The symbols of a .bzl file that others may load, with a docstring each if they are macros."""
    names = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{file}: {node.name} has no docstring"
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(("package", "name", "symbols"), ROWS)
def test_the_symbols_of_a_file(package: str, name: str, symbols: str) -> None:
    told = set(re.findall(r"`(\w+)`", symbols))
    assert told == defined(Path(package, name))


def test_the_table_is_found() -> None:
    assert len(ROWS) == 14
