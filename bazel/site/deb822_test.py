"""Stanzas as apt's sources, indexes and packages write them."""

from bazel.site import deb822


def test_stanzas_are_told_apart_and_names_are_of_any_case() -> None:
    text = "Package: a\nVERSION: 1\n\n\n \t\npackage: b\n"
    assert list(deb822.stanzas(text)) == [{"package": "a", "version": "1"}, {"package": "b"}]


def test_lines_of_a_field_stay_lines() -> None:
    text = "SHA256:\n aa 1 main\n bb 2 a: b\nDescription: first\n .\n\u2028 last\n"
    (stanza,) = deb822.stanzas(text)
    assert stanza["sha256"] == "\naa 1 main\nbb 2 a: b"
    assert stanza["description"] == "first\n."


def test_comments_and_lines_that_belong_to_nothing_are_left_out() -> None:
    text = " before: any\n# Types: deb-src\nTypes: deb\nURIs: a\n# b\n c\nno field\n d\n"
    assert list(deb822.stanzas(text)) == [{"types": "deb", "uris": "a\nc"}]


def test_lines_of_other_systems() -> None:
    text = "Types: deb\r\nURIs: a\r\n b\r\n\r\nTypes: deb-src\r\n"
    assert list(deb822.stanzas(text)) == [{"types": "deb", "uris": "a\nb"}, {"types": "deb-src"}]


def test_a_text_without_fields_has_no_stanza() -> None:
    assert list(deb822.stanzas("")) == list(deb822.stanzas("\n# x\n\n")) == []
