"""Schemas that manifests are held to: Kubernetes' own, and custom resources'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema


def of(kind: Any) -> dict[str, Any]:
    """The schema of a model of Kubernetes' Python client, as the API server reads it."""
    schema: dict[str, Any] = _without_nulls(kind.model_json_schema(by_alias=True))
    return schema


def of_custom_resource(schema: Any, *kinds: Any) -> dict[str, Any]:
    """A custom resource's schema, strict, whose $refs are to these models of the client."""
    definitions: dict[str, Any] = {}
    for kind in kinds:
        described = kind.model_json_schema(by_alias=True)
        definitions |= described.pop("$defs", {})
        definitions[kind.__name__] = described
    whole = {**_without_unknown_fields(schema), "$defs": _without_nulls(definitions)}
    jsonschema.Draft202012Validator.check_schema(whole)
    return whole


def mistakes(document: object, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with a document, by its place; empty: nothing."""
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def _without_nulls(schema: Any) -> Any:
    """Of a schema by pydantic, in which a field may be null in place of absent."""
    if isinstance(schema, list):
        return [_without_nulls(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    ways = [way for way in schema.get("anyOf", ()) if way != {"type": "null"}]
    if len(ways) == 1:
        return _without_nulls(ways[0])
    return {key: _without_nulls(part) for key, part in schema.items()}


def _without_unknown_fields(schema: Any) -> Any:
    """Of a schema of a CustomResourceDefinition: the API server's strict mode refuses them."""
    if isinstance(schema, list):
        return [_without_unknown_fields(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict = {key: _without_unknown_fields(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), Mapping) and schema.get("type") == "object":
        strict["additionalProperties"] = False
    return strict
