"""The committed locks agree with their specs; `./bazelw run //:lock` mends it if not."""

from pathlib import Path

from bazel.lock import check


def test_locks_match_specs() -> None:
    assert check.problems(Path()) == []
