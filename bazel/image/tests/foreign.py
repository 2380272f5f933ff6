"""Runs what is in another repository."""

from oci.private import layout  # type: ignore[import-not-found, unused-ignore]

print(layout.__name__)
