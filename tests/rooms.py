"""Who uses whom in this source tree, by file and by room, and the circles in that.

A file uses another one by an import (Python), a `load` or a label (Starlark) or an `#include`.
Tests are left out: a unit test may use what it likes. So is what Bazel fetches, and the
root's own BUILD file, which gives targets of rooms a short name.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_LABEL = re.compile(r"(@@?[\w.~-]*)?//([\w./+-]*)(:[\w./+@=-]*)?")
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
_TEST_RULE = re.compile(r".*_tests?|test_suite")
_WITHIN = ("private", "testdata", "tests")  # folders that belong to the room they are in


@dataclass(frozen=True)
class Use:
    """A line of a file that uses another file, or a folder where no file is named."""

    user: str
    line: int
    used: str


class Tree:
    """The sources below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = frozenset(_files(root))
        # Folders that imports start from, as mypy has them.
        settings = tomllib.loads((root / "pyproject.toml").read_text())
        starts = settings["tool"]["mypy"]["mypy_path"].split(":")
        self._starts = [s.removeprefix("$MYPY_CONFIG_FILE_DIR").strip("/") for s in starts]
        self._modules = {"": "", **dict(self._own_modules())}

    def _own_modules(self) -> Iterator[tuple[str, str]]:
        """Name -> folder of the Bazel modules of the tree."""
        for file in self.files:
            if PurePosixPath(file).name == "MODULE.bazel":
                name = re.search(r'\bname = "(\w+)"', (self.root / file).read_text())
                if name:
                    yield name[1], str(PurePosixPath(file).parent).removeprefix(".")

    def uses(self) -> list[Use]:
        """Every use of one file of the tree by another one, tests apart."""
        tests = set()
        found = []
        for file in sorted(self.files):
            if PurePosixPath(file).name == "BUILD.bazel" and "/" in file and not _is_test(file):
                uses, own = self._build(file)
                found += uses
                tests |= own
        for file in sorted(self.files - tests):
            kind = PurePosixPath(file).suffix
            if kind == ".py" and not _is_test(file):
                found += self._imports(file)
            elif kind in (".bzl", ".BUILD"):
                found += self._labels(file, ast.parse((self.root / file).read_text()))
            elif kind in (".cc", ".h") and not _is_test(file):
                found += self._includes(file)
        return [use for use in found if use.user != use.used and use.used not in tests]

    def folder(self, place: str) -> str:
        """The folder of a file; what is private, or a test's, belongs to the folder around it."""
        parts = list(PurePosixPath(place).parts)
        if place in self.files:
            parts.pop()
        while parts and parts[-1] in _WITHIN:
            parts.pop()
        return "/".join(parts)

    def _build(self, file: str) -> tuple[list[Use], set[str]]:
        """What a BUILD file uses outside of its tests, and the Python files of these."""
        tree = ast.parse((self.root / file).read_text())
        parts = _Parts()
        module = parts.visit(tree)
        folder = PurePosixPath(file).parent
        mine = {str(folder / name) for name in parts.sources} & self.files
        # Loads and constants that only tests use are theirs, too.
        before = 0
        while before != len(module.body):
            before = len(module.body)
            read = {node.id for node in _names(module) if isinstance(node.ctx, ast.Load)}
            module.body = [s for s in module.body if not _gives(s) or _gives(s) & read]
        return list(self._labels(file, module)), mine

    def _labels(self, file: str, tree: ast.Module) -> Iterator[Use]:
        module = max(
            (own for own in self._modules.values() if not own or file.startswith(f"{own}/")),
            key=len,
        )
        hidden = {
            id(node)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            for word in call.keywords
            if word.arg in ("visibility", "default_visibility", "packages", "doc")
            for node in ast.walk(word.value)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in hidden:
                continue
            label = _LABEL.fullmatch(node.value) if isinstance(node.value, str) else None
            if not label:
                continue
            name = (label[1] or "").lstrip("@")
            if name not in self._modules:
                continue
            start = self._modules[name] if name else "" if label[1] else module
            folder = "/".join(filter(None, [start, label[2]]))
            used = f"{folder}/{(label[3] or '')[1:]}".strip("/")
            if folder and (used in self.files or folder != str(PurePosixPath(file).parent)):
                yield Use(file, node.lineno, used if used in self.files else folder)

    def _imports(self, file: str) -> Iterator[Use]:
        starts = [*self._starts, str(PurePosixPath(file).parent)]
        for node in ast.walk(ast.parse((self.root / file).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                found = {self._module(name, starts) for name in names}
                found = {self._module(node.module, starts) if one is None else one for one in found}
            elif isinstance(node, ast.Import):
                found = {self._module(alias.name, starts) for alias in node.names}
            else:
                continue
            yield from (Use(file, node.lineno, one) for one in sorted(filter(None, found)))

    def _module(self, name: str, starts: Iterable[str]) -> str | None:
        for start in starts:
            path = "/".join(filter(None, [start, name.replace(".", "/")]))
            for file in (f"{path}.py", f"{path}/__init__.py"):
                if file in self.files:
                    return file
        return None

    def _includes(self, file: str) -> Iterator[Use]:
        text = (self.root / file).read_text()
        for match in _INCLUDE.finditer(text):
            if match[1] in self.files:
                yield Use(file, text.count("\n", 0, match.start()) + 1, match[1])


class _Parts(ast.NodeTransformer):
    """Takes tests out of a BUILD file, and remembers their sources."""

    def __init__(self) -> None:
        self.sources: set[str] = set()

    def visit_Call(self, call: ast.Call) -> ast.AST:
        given = {word.arg: word.value for word in call.keywords}
        only = given.get("testonly")
        rule = call.func.id if isinstance(call.func, ast.Name) else ""
        if _TEST_RULE.fullmatch(rule) or (isinstance(only, ast.Constant) and only.value):
            self.sources.update(_texts(given["srcs"]) if "srcs" in given else ())
            return ast.Constant(None)
        self.generic_visit(call)
        return call

    def visit_ListComp(self, each: ast.ListComp) -> ast.AST:
        """What many tests are made of is theirs."""
        self.generic_visit(each)
        return each.elt if isinstance(each.elt, ast.Constant) else each


def _gives(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value to, if it does nothing else."""
    if isinstance(statement, ast.Assign):
        return {node.id for target in statement.targets for node in _names(target)}
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "load":
        names = {text for node in call.args[1:] for text in _texts(node)}
        return names | {word.arg for word in call.keywords if word.arg}
    return set()


def rooms(page: str) -> list[str]:
    """The folders that the table of docs/flow.md has in its first column."""
    rows = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def room_of(file: str, named: Iterable[str]) -> str | None:
    """The innermost room that a file lies in."""
    inside = [room for room in named if file == room or file.startswith(f"{room}/")]
    return max(inside, key=len, default=None)


def circle(uses: Iterable[Use], place: Callable[[str], str | None]) -> list[Use]:
    """The uses by which a place leads back to itself, by the shortest way; [] for none."""
    edges: dict[str, dict[str, Use]] = {}
    for use in uses:
        user, used = place(use.user), place(use.used)
        if user and used and user != used:
            edges.setdefault(user, {}).setdefault(used, use)
    found: list[Use] = []
    for start in sorted(edges):
        way = _way(edges, start)
        if way and (not found or len(way) < len(found)):
            found = way
    return found


def _way(edges: Mapping[str, Mapping[str, Use]], start: str) -> list[Use]:
    """From a place back to it, breadth first."""
    ways: dict[str, list[Use]] = {start: []}
    todo = [start]
    for place in todo:
        for other, use in sorted(edges.get(place, {}).items()):
            if other == start:
                return [*ways[place], use]
            if other not in ways:
                ways[other] = [*ways[place], use]
                todo.append(other)
    return []


def _files(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if name[0] != "."
            and not name.startswith("bazel-")
            and not Path(folder, name).is_symlink()
        ]
        yield from (str(Path(folder, name).relative_to(root)) for name in files)


def _is_test(file: str) -> bool:
    path = PurePosixPath(file)
    return path.stem.endswith("_test") or bool({"testdata", "tests"} & set(path.parts[1:-1]))


def _names(tree: ast.AST) -> Iterator[ast.Name]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Name))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
