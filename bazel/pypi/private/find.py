"""Prints the URL of a wheel or sdist on a site's index (PyPA's "Simple repository API").

usage: find.py PAGE_URL FILE

Runs in a repository rule. $PADDLE_IMAGES_SITE is the folder where the launcher
keeps what this site needs: Bazel is given URLs without their logins, and programs
that have them.
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bazel.site import fetch, settings

# Both kinds of page, in pip's order.
_KINDS = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1,"
    " text/html; q=0.01"
)
_PAUSE_SECONDS = 1  # before the second attempt


class Links(HTMLParser):
    """The targets of a page's links, and what they are relative to."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if target and tag == "a":
            self.found.append(target)
        elif target and tag == "base":
            self.base = urllib.parse.urljoin(self.base, target)


def links(body: bytes, content_type: str, address: str) -> list[str]:
    """The URLs of the files on a page."""
    text = body.decode(errors="replace")
    if content_type.partition(";")[0].strip().endswith("json"):
        base, found = address, [file["url"] for file in json.loads(text)["files"]]
    else:
        page = Links(address)
        page.feed(text)
        base, found = page.base, page.found
    return [urllib.parse.urljoin(base, link).partition("#")[0] for link in found]


def with_login(url: str) -> str:
    """The URL with the login that Bazel's credential helper has for it."""
    parts = urllib.parse.urlsplit(url)
    folder = os.environ.get("PADDLE_IMAGES_SITE")
    helper = Path(folder or "/nonexistent", f"credentials-{parts.hostname}")
    if parts.username or not helper.exists():
        return url
    request = json.dumps({"uri": url}, separators=(",", ":")) + "\n"
    answer = subprocess.run([helper, "get"], input=request, stdout=subprocess.PIPE, text=True)
    (header,) = json.loads(answer.stdout).get("headers", {}).get("Authorization", [""])
    if not header:
        return url
    login = base64.b64decode(header.removeprefix("Basic ")).decode().split(":", 1)
    user, password = (urllib.parse.quote(part, safe="") for part in login)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()


def open_page(client: fetch.Client, url: str) -> bytes:
    try:
        return b"".join(client.get(url, fetch.LARGEST, _KINDS))
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, http.client.HTTPException):
        time.sleep(_PAUSE_SECONDS)
        return b"".join(client.get(url, fetch.LARGEST, _KINDS))


def _does_not_open(page: str, file: str, why: str) -> int:
    print(
        f"{file} cannot be fetched: {settings.without_credentials(page)} does not open: {why}.\n"
        "Set PYPI_INDEX to an index that works: `PYPI_INDEX=https://INDEX/simple ./bazelw`.",
        file=sys.stderr,
    )
    return 1


def main() -> int:
    page, file = sys.argv[1:]
    client = fetch.Client(settings.ca_bundle())
    try:
        body = open_page(client, with_login(page))
        found = links(body, client.content_type, client.address)
    except FileNotFoundError:
        found = []
    except (OSError, http.client.HTTPException, fetch.TooLargeError) as error:
        return _does_not_open(page, file, str(error) or type(error).__name__)
    except (LookupError, TypeError, ValueError):  # what JSON of another kind makes
        return _does_not_open(page, file, "what it sends is no page of an index")
    for url in found:
        if urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2] == file:
            print(url)
            return 0
    print(
        f"{file} is not on the index any more, or this index lacks it"
        f" ({settings.without_credentials(page)}).\n"
        "Set PYPI_INDEX to one that has it, or take what is there now: `./bazelw run //:lock`.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
