"""Prints the URL of a wheel or sdist on a site's index (PEP 503, "Simple Repository API").

usage: find.py PAGE_URL FILE [SAVED_PAGE]
"""

import base64
import sys
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def open_page(url: str) -> tuple[str, str]:
    """The text of a page and its address; credentials in the URL become a header."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())
    request.add_header("Accept", "text/html")
    if at:
        token = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=60) as response:
        address = urllib.parse.urlsplit(response.url)
        base = address._replace(netloc=user + at + address.netloc).geturl()
        return response.read().decode(), base


def main() -> int:
    page, file, *saved = sys.argv[1:]
    links = Links()
    try:
        text, base = (Path(saved[0]).read_text(), page) if saved else open_page(page)
    except (OSError, ValueError) as error:
        print(
            f"{file} cannot be fetched: {page} does not open: {error}.\n"
            "Set PYPI_INDEX to an index that works: `PYPI_INDEX=https://INDEX/simple ./bazelw`.",
            file=sys.stderr,
        )
        return 1
    links.feed(text)
    for link in links.found:
        url = urllib.parse.urljoin(base, link).partition("#")[0]
        if urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2] == file:
            print(url)
            return 0
    print(
        f"{file} is not on the index any more, or this index lacks it.\n"
        "Set PYPI_INDEX to one that has it, or take what is there now: `./bazelw run //:lock`.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
