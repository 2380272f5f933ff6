"""What is told of two states of an image."""

from __future__ import annotations

from bazel.image.report.changes import compare, compare_layers, compare_packages
from bazel.image.report.facts import Facts, Layer, Package, group, of_contents, of_cyclonedx


def _package(
    name: str, version: str = "1", size: int = 0, sha256: str = "a", kind: str = "wheel"
) -> Package:
    return Package(kind, name, version, (), sha256, size)


def _layer(history: str, digest: str, compressed: int = 0) -> Layer:
    return Layer(history, digest, compressed)


def _facts(digest: str, layers: list[Layer], packages: list[Package]) -> Facts:
    return Facts("image", digest, layers, packages, sum(x.compressed for x in layers), None)


def test_added_removed_changed_and_equal_packages() -> None:
    before = [_package("gone", size=5), _package("new", "1", 10), _package("same")]
    after = [_package("come", size=7), _package("new", "2", 40), _package("same")]
    changes = compare_packages(before, after)
    told = [(c.what, c.name, c.before, c.after, c.delta) for c in changes]
    assert told == [
        ("version", "new", "1", "2", 30),
        ("added", "come", "", "1", 7),
        ("removed", "gone", "1", "", -5),
    ]


def test_same_version_with_other_bytes() -> None:
    before = [_package("app", sha256="a", kind="program"), _package("numpy", size=10)]
    after = [_package("app", sha256="b", kind="program"), _package("numpy", size=8)]
    assert {c.name: c.what for c in compare_packages(before, after)} == {
        "app": "contents",
        "numpy": "size",
    }


def test_kinds_are_told_apart() -> None:
    changes = compare_packages([_package("zlib", kind="deb")], [_package("zlib")])
    assert {(c.what, c.kind) for c in changes} == {("removed", "deb"), ("added", "wheel")}


def test_two_versions_of_a_vendored_package_are_one_entry() -> None:
    before = [_package("six", "1", kind="vendored"), _package("six", "2", kind="vendored")]
    after = [_package("six", "3", kind="vendored"), _package("six", "2", kind="vendored")]
    (change,) = compare_packages(before, after)
    assert (change.before, change.after) == ("1, 2", "2, 3")


def test_layers_by_their_history() -> None:
    before = [_layer("base", "1"), _layer("engine", "2"), _layer("old", "3")]
    after = [_layer("base", "1"), _layer("engine", "4"), _layer("program", "5")]
    changes = compare_layers(before, after)
    assert [(c.name, bool(c.before), bool(c.after)) for c in changes] == [
        ("engine", True, True),
        ("program", False, True),
        ("old", True, False),
    ]


def test_only_layers_that_are_not_there_yet_are_pulled() -> None:
    before = _facts("x", [_layer("base", "1", 100), _layer("program", "2", 10)], [])
    after = _facts("y", [_layer("base", "1", 100), _layer("program", "3", 20)], [])
    change = compare("image", before, after)
    assert (change.pulled, change.equal) == (20, False)
    assert compare("image", after, after).equal
    assert compare("image", None, after).pulled == 120


def test_loose_files_of_a_python_package_are_one() -> None:
    site = "/usr/local/lib/python3.11/dist-packages"
    assert group(f"{site}/jieba/posseg/viterbi.py") == f"{site}/jieba"
    assert group("/etc/passwd") == "/etc/passwd"
    files = [
        {"kind": "file", "name": name, "version": "0", "licences": [], "sha256": "a", "size": 2}
        for name in (f"{site}/jieba/a.py", f"{site}/jieba/b.py", "/etc/passwd")
    ]
    sizes = {package.name: package.size for package in of_contents(files)}
    assert sizes == {f"{site}/jieba": 4, "/etc/passwd": 2}


def test_a_bill_without_our_properties_is_read_as_far_as_it_goes() -> None:
    bom = {"components": [{"name": "x", "version": "1", "licenses": [{"license": {"id": "MIT"}}]}]}
    (package,) = of_cyclonedx(bom)
    assert (package.name, package.kind, package.size) == ("x", "file", 0)
