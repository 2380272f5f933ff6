"""Reads what people write about an image in YAML, and holds it to a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bazel.image.base.processes import UserError

Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Takes no key twice: YAML forbids it, and of two PyYAML would keep the last silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set[tuple[str, str]]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    problem = f"the key {key.value!r} is there twice"
                    raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
                seen.add((key.tag, key.value))
        return node


def complaint(error: jsonschema.ValidationError) -> str:
    """What is wrong with a document, and where."""
    where = error.json_path.removeprefix("$").removeprefix(".") or "it"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = sorted(str(key) for key in error.instance if key not in known)
        return f"{where} has the unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
    if error.validator == "oneOf":
        return f"{where}: {error.schema['description']}"
    if error.validator == "type" and error.validator_value == "string":
        return f"{where}: {error.instance} is not of type 'string': put it in quotes"
    return f"{where}: {error.message}"


def filled(path: Path, text: str, values: Mapping[str, str]) -> str:
    """The text with values in place of `${NAME}`."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(sorted(values)) or "none"
            raise UserError(f"{path} has the unknown value ${{{match[1]}}}; known are {known}")
        return values[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def read(path: Path, schema: Path, kind: str, values: Mapping[str, str] | None = None) -> Json:
    """The document, which is a `kind` by that schema; `${NAME}` in it is a value of that name."""
    try:
        text = path.read_text()
        told = yaml.load(text if values is None else filled(path, text, values), _Loader) or {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    rules = yaml.load(schema.read_text(), _Loader)
    validator = jsonschema.Draft202012Validator
    checks = validator(rules, format_checker=validator.FORMAT_CHECKER)
    if wrong := [complaint(error) for error in checks.iter_errors(told)]:
        lines = "".join(f"\n  {text}" for text in sorted(wrong))
        raise UserError(f"{path} is no {kind}:{lines}")
    return dict(told)
