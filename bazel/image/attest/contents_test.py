"""What packages say of their licences is understood."""

import json
from email.parser import HeaderParser
from typing import Any

import pytest

from bazel.image.attest import contents, debian, wheels
from bazel.image.attest.components import Component, File, is_spdx
from bazel.image.oci.layout import ImageError


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
    assert debian.licences_of(text) == licences


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
    assert wheels.licences_of(metadata(text)) == licences


def test_spdx_expressions() -> None:
    assert is_spdx("GPL-2.0-or-later AND (MIT OR Apache-2.0)")
    assert not is_spdx("BSD")
    assert not is_spdx("GPL version 2 (or so")
    assert not is_spdx("")


SITE = "app/site/"
BILLS = f"{SITE}box-1.dist-info/sboms/"
LIBRARY = f"{SITE}box.libs/liblock-01234567.so.1"


def carried(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and versions of what a wheel carries that has this document beside its metadata."""
    path = f"{BILLS}told.json"
    wheel = Component("wheel", "box", "1", [], purl="pkg:pypi/box@1")
    wheel.source = f"{SITE}box-1.dist-info/METADATA"
    wheel.files = [LIBRARY, path]
    files = {name: File(0, 1, "0") for name in wheel.files}
    found = wheels.vendored([wheel], files, {path: json.dumps(told)}, "amd64")
    return [(library.name, library.version) for library in found]


def test_what_wheels_carry_is_told_by_their_own_bills() -> None:
    bill = {"bomFormat": "CycloneDX", "components": [{"name": "lock", "version": "1.1.1"}]}
    assert carried(bill) == [("lock", "1.1.1")]


def test_a_bill_in_another_format_does_not_hide_what_file_names_tell() -> None:
    assert carried({"spdxVersion": "SPDX-2.3", "packages": []}) == [("liblock.so.1", "")]


DEB = {"var/lib/dpkg/status.d/box": "Package: box\nVersion: 1\nArchitecture: amd64\n"}
NO_LOCK: dict[str, Any] = {"packages": [], "wheels": []}


def test_a_system_without_an_id() -> None:
    texts = {"usr/lib/os-release": "NAME=Box\n"} | DEB
    (deb,) = debian.packages(texts, NO_LOCK)
    assert deb.purl == "pkg:deb/debian/box@1?arch=amd64"
    assert list(debian.systems(texts)) == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("usr/lib/os-release", 'NAME="Box\n', "is damaged: No closing quotation"),
        ("var/lib/dpkg/status.d/box", "Package: box\n", "says no Version"),
        (f"{SITE}box.dist-info/METADATA", "Version: 1\n", "says no Name"),
        ("models/box/1/metadata.json", "{", "is not JSON: Expecting"),
        ("models/box/1/metadata.json", "[]", "is no object of JSON"),
    ],
)
def test_what_is_damaged_is_named(path: str, text: str, says: str) -> None:
    texts, files = {path: text}, {path: File(0, 1, "0")}
    with pytest.raises(ImageError, match=f"/{path} of the image {says}"):
        list(debian.packages(texts, NO_LOCK))
        list(wheels.wheels_of(texts, NO_LOCK, files, "amd64"))
        list(contents._models(texts, files))


def test_a_package_below_models_is_no_model() -> None:
    path = "models/box.dist-info/METADATA"
    assert list(contents._models({path: "Name: box"}, {path: File(0, 1, "0")})) == []
