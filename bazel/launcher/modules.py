"""Makes Bazel find its modules in Debian's packages, without a network.

Modules that Bazel itself needs are overridden by the packages' folders, whatever
version is asked for. An override of a module that a project does not use is an
error, so the packages' other modules stand in a registry of this machine, as
does the name of every module that is asked for and that nothing uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Module:
    """A module's folder, its MODULE.bazel, and the (name, version)s it depends on."""

    folder: Path
    text: str
    depends: frozenset[tuple[str, str]]

    @staticmethod
    def read(folder: Path) -> Module:
        text = (folder / "MODULE.bazel").read_text(encoding="utf-8")
        calls = re.findall(r"\bbazel_dep\(([^)]*)\)", re.sub(r"^\s*#.*", "", text, flags=re.M))
        depends = set()
        for call in calls:
            given = dict(re.findall(r'\b(name|version) = "([^"]+)"', call))
            if len(given) == 2 and "dev_dependency = True" not in call:
                depends.add((given["name"], given["version"]))
        return Module(folder, text, frozenset(depends))


def write_registry(build: Path, prefix: Path, package_versions: Mapping[str, str]) -> None:
    """Makes `registry` in `build`, which is going to be renamed to `prefix`."""
    home = build / "usr/share/bazel"
    modules: dict[str, Module] = {}
    for file in sorted(home.glob("*/*/MODULE.bazel")):
        module = Module.read(file.parent)
        match = re.search(r'^module\(\s*name = "(\w+)"', module.text, re.M)
        if match:
            modules[match[1]] = module
    built_in = Module.read(home / "embedded_tools")

    overridden: set[str] = set()
    todo = [name for name, _ in built_in.depends]
    while todo:
        name = todo.pop()
        if name in modules and name not in overridden:
            overridden.add(name)
            todo += [other for other, _ in modules[name].depends]
    overrides = {
        name: str(prefix / modules[name].folder.relative_to(build)) for name in sorted(overridden)
    }

    wanted = set(built_in.depends).union(*(module.depends for module in modules.values()))
    for name in modules.keys() - overridden:
        package = name.replace("_", "-")
        for debian_version in (package_versions.get(p) for p in (package, f"bazel-{package}")):
            if debian_version:
                wanted.add((name, re.split(r"[-+]", debian_version)[0]))

    registry = build / "registry"
    for name, version in sorted(wanted):
        text = f'module(name = "{name}", version = "{version}")\n'
        path = "/nonexistent"
        if name in modules and name not in overridden:
            # The folder serves every version that is asked for.
            folder = modules[name].folder
            path = str(prefix / folder.relative_to(build))
            text = _with_version(modules[name].text, version)
        folder = registry / "modules" / name / version
        folder.mkdir(parents=True)
        (folder / "MODULE.bazel").write_text(text, encoding="utf-8")
        (folder / "source.json").write_text(json.dumps({"type": "local_path", "path": path}))
    (registry / "bazel_registry.json").write_text("{}\n")
    (registry / "overrides.json").write_text(json.dumps(overrides))


def _with_version(text: str, version: str) -> str:
    """The text of a MODULE.bazel with another version in its module()."""

    def declare(match: re.Match[str]) -> str:
        rest = re.sub(r'\s*\bversion = "[^"]*",?', "", match[2])
        return f'{match[1]}version = "{version}", {rest}'

    return re.sub(r"^(module\()([^)]*\))", declare, text, count=1, flags=re.M)
