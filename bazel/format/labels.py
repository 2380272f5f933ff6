"""Finds labels that mean something else in a workspace that depends on this one.

A macro runs in the package of whoever calls it: there the string "//bazel/x" names a package of
the caller's own module, and `Label("//bazel/x")` one of ours. Strings in rules, attributes, `load`
and docstrings are resolved where they stand. `@@//` is the main repository, whoever that is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# A label by itself, or within a string such as "$(rootpath //bazel/x)".
_LABEL = re.compile(r"(?:^|\$\(\w+ )(?:@[\w.-]*)?//[\w:]")
# What is nobody's package, or everybody's by the same name.
_MEANT = (
    *("//command_line_option:", "//conditions:", "//visibility:"),
    *("@bazel_tools//", "@paddle_images//", "@platforms//"),
)
# Calls whose strings are resolved where they are written.
_RESOLVED = {
    "Label",
    "load",
    "module_extension",
    "repository_rule",
    "rule",
    "tag_class",
    "transition",
}
_CONTEXTS = {"ctx", "mctx", "rctx"}  # the first parameter of what is no macro


def problems(path: Path) -> list[str]:
    """What is wrong in a file of Starlark, one line each: `FILE:LINE: ...`."""
    text = path.read_text("utf-8")
    found = [
        f"{path}:{number}: @@// is the main repository of whoever builds; write @paddle_images//."
        for number, line in enumerate(text.splitlines(), 1)
        if "@@//" in line
    ]
    if path.suffix == ".bzl":
        found += [
            f'{path}:{line}: "{string}" names a package of whoever calls the macro; '
            "write Label(...)."
            for line, string in _strings(ast.parse(text))
        ]
    return found


def _strings(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The labels in strings that a macro would hand to its caller's package, with their lines."""
    if isinstance(node, ast.Call):
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        owner = getattr(node.func.value, "id", "") if isinstance(node.func, ast.Attribute) else ""
        if name in _RESOLVED or owner == "attr":
            return
    if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg in _CONTEXTS:
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if _LABEL.search(node.value) and not node.value.startswith(_MEANT):
            yield node.lineno, node.value
        return
    for child in ast.iter_child_nodes(node):
        yield from _strings(child)
