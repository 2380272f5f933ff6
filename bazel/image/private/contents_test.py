"""What packages say of their licences is understood."""

from email.parser import HeaderParser
from typing import Any

import pytest

from bazel.image.private import contents


def metadata(text: str) -> Any:
    return HeaderParser().parsestr(text)


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        ("Format: x\n\nFiles: *\nLicense: Expat\n text\n", ["MIT"]),
        ("Format: x\nLicense: GPL-2+ and Zlib\n", ["GPL-2.0-or-later", "Zlib"]),
        ("Format: x\nLicense: LGPL-2.1\n", ["LGPL-2.1-only"]),
        ("free form, see /usr/share/common-licenses/LGPL-2.1.\n", ["common-licenses/LGPL-2.1"]),
        (
            "GNU Lesser General Public\nLicense, version 2.1 (or, at your option, any later)",
            ["LGPL-2.1-or-later"],
        ),
        ("", []),
    ],
)
def test_debian_licences(text: str, licences: list[str]) -> None:
    assert contents.debian_licences(text) == licences


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        ("License-Expression: MIT AND BSD-3-Clause\nLicense: x\n", ["MIT AND BSD-3-Clause"]),
        (
            "License: Apache-2.0\nClassifier: License :: OSI Approved :: BSD License\n",
            ["Apache-2.0"],
        ),
        (
            "License: MIT license, see file\nClassifier: License :: OSI Approved :: MIT License\n",
            ["MIT"],
        ),
        ("License: a very free one\n", ["a very free one"]),
        ("Name: x\n", []),
    ],
)
def test_wheel_licences(text: str, licences: list[str]) -> None:
    assert contents.wheel_licences(metadata(text)) == licences


def test_spdx_expressions() -> None:
    assert contents.is_spdx("GPL-2.0-or-later AND (MIT OR Apache-2.0)")
    assert not contents.is_spdx("BSD")
    assert not contents.is_spdx("GPL version 2 (or so")
    assert not contents.is_spdx("")
