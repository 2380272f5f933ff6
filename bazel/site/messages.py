"""What is told to users: errors that they can mend, and how far something is."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str, bool], None]  # shows a line; True: a passing one


class Problem(Exception):  # noqa: N818 (not always an error of the program)
    """An error for the user: one paragraph that says what mends it."""
