"""Runs what is in another repository."""

from bazel.oci.private import image  # type: ignore[import-not-found, unused-ignore]

print(image.__name__)
