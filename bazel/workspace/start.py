"""Starts Bazel as paddle_images does, in a workspace that depends on it.

MODULE.bazel says which paddle_images: this reads its archive_override or
local_path_override, fetches the archive if it is not in the cache yet, checks it, and
hands over to the launcher inside. Written by bazel/workspace/write.py of paddle_images;
change nothing here. It runs on the machine's python3 (3.9 or newer), which needs nothing else.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import netrc
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

_MODULE = "paddle_images"
_WORKSPACE = Path(__file__).resolve().parents[2]
_LAUNCHER = "bazel/launcher/launcher.py"


class StartError(Exception):
    """What keeps Bazel from starting, in a sentence, and the command that mends it."""


def override(text: str) -> tuple[str, dict[str, Any]]:
    """The call in MODULE.bazel that says where paddle_images is: its name and arguments."""
    for node in ast.walk(ast.parse(text)):  # Starlark of MODULE.bazel is Python's syntax
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = {}
            for keyword in node.keywords:
                try:
                    given[str(keyword.arg)] = ast.literal_eval(keyword.value)
                except ValueError:
                    continue
            if node.func.id.endswith("_override") and given.get("module_name") == _MODULE:
                return node.func.id, given
    raise StartError(
        f"MODULE.bazel names no place of {_MODULE}. Add the archive_override that docs/api.md of"
        f" {_MODULE} has."
    )


def place(workspace: Path) -> Path:
    """The folder of paddle_images, fetched if need be."""
    try:
        kind, given = override((workspace / "MODULE.bazel").read_text("utf-8"))
    except SyntaxError as error:
        raise StartError(
            f"MODULE.bazel, line {error.lineno}: {error.msg}. Mend that line."
        ) from error
    if kind == "local_path_override":
        return Path(workspace, given["path"])
    if kind != "archive_override" or "integrity" not in given:
        raise StartError(
            f"the {kind} of {_MODULE} in MODULE.bazel does not say which bytes it is. Use an"
            " archive_override with `integrity`, or a local_path_override."
        )
    urls = given.get("urls", given.get("url", []))
    urls = [urls] if isinstance(urls, str) else urls
    integrity, prefix = given["integrity"], given.get("strip_prefix", "")
    key = hashlib.sha256(f"{integrity} {prefix}".encode()).hexdigest()[:16]
    folder = _cache() / "modules" / key
    if not (folder / _LAUNCHER).exists():
        _fetch(urls, integrity, prefix, folder)
    return folder


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or f"{Path.home()}/.cache"
    return Path(os.environ.get("PADDLE_IMAGES_CACHE") or f"{home}/{_MODULE}").absolute()


def _fetch(urls: list[str], integrity: str, prefix: str, folder: Path) -> None:
    """Puts the archive into `folder`, which is there afterwards as a whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    except OSError as error:
        raise StartError(
            f"the cache folder {folder.parent} cannot be written: {error.strerror}. Take another:"
            " `PADDLE_IMAGES_CACHE=/FOLDER ./bazelw info`."
        ) from error
    try:
        archive = temporary / _name(urls)
        reason = _download(urls, integrity, archive)
        if reason:
            raise StartError(
                f"{_MODULE} cannot be fetched: {reason}. Correct `urls` and `integrity` of its"
                " archive_override in MODULE.bazel, or name a proxy: `HTTPS_PROXY=... ./bazelw"
                " info`."
            )
        shutil.unpack_archive(archive, temporary / "tree")
        tree = temporary / "tree" / prefix
        if not (tree / _LAUNCHER).exists():
            raise StartError(
                f"the archive of {_MODULE} has no {_LAUNCHER} below {prefix or 'its top'}. Correct"
                " `strip_prefix` of its archive_override in MODULE.bazel."
            )
        if not folder.exists():  # or another start was faster
            tree.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name(urls: list[str]) -> str:
    return Path(urllib.parse.urlsplit(urls[0]).path).name if urls else "none"


def _download(urls: list[str], integrity: str, archive: Path) -> str:
    """Fetches the file from the first address that has it; gives the reason if none does."""
    algorithm, _, wanted = integrity.partition("-")
    reason = "no `urls` are given"
    for url in urls:
        try:
            request = urllib.request.Request(url)
            login = _login(urllib.parse.urlsplit(url).hostname or "")
            if login:
                request.add_unredirected_header("Authorization", login)
            with urllib.request.urlopen(request, timeout=60) as answer, archive.open("wb") as file:
                shutil.copyfileobj(answer, file)
            found = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
        except (OSError, ValueError) as error:
            reason = f"{url}: {error}"
            continue
        if found == wanted:
            return ""
        reason = f"{url} is {algorithm}-{found}, and `integrity` is {integrity}"
    return reason


def _login(host: str) -> str:
    """The Authorization for a host, of $NETRC or ~/.netrc."""
    try:
        known = netrc.netrc(os.environ.get("NETRC")).hosts.get(host)
    except (OSError, netrc.NetrcParseError):
        return ""
    if not known:
        return ""
    return "Basic " + base64.b64encode(f"{known[0]}:{known[2]}".encode()).decode()


def main() -> NoReturn:
    try:
        launcher = place(_WORKSPACE) / _LAUNCHER
        if not launcher.exists():
            raise StartError(
                f"there is no {launcher}. Correct the override of {_MODULE} in MODULE.bazel."
            )
    except StartError as problem:
        sys.exit(_said(str(problem)))
    except OSError as error:
        sys.exit(_said(f"the start failed: {error}. Try again: `./bazelw info`."))
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", str(launcher), *sys.argv[1:]])


def _said(why: str) -> int:
    sys.stderr.write(f"{_MODULE}: {why}\n")
    return 36  # Bazel's own exit code for "something about this machine"


if __name__ == "__main__":
    main()
