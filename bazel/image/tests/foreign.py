"""Runs what is in another repository."""

from tools.python.runfiles import runfiles  # type: ignore[import-not-found, unused-ignore]

print(runfiles.__name__)
