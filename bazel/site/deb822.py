"""Reads deb822(5): stanzas of `Field: value`, as in apt's sources and Debian's indexes."""

from __future__ import annotations

import io
from collections.abc import Iterator


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas that have a field: name in lower case -> value, its lines stay lines."""
    fields: dict[str, str] = {}
    name = ""
    for line in io.StringIO(text):  # an index has 1.5 million lines
        if line[0] == "#":
            continue
        if line.isspace():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line[1:].rstrip("\r\n")
        else:
            name, colon, value = line.partition(":")
            name = name.strip().lower() if colon else ""
            if name:
                fields[name] = value.strip()
    if fields:
        yield fields
