"""`./bazelw run //:lock`: resolves the specs into the locks.

It runs here or in a workspace that depends on paddle_images, on the specs that are there.

Everything is resolved before anything is written, so that a run that fails
changes no file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from pip._internal.models.index import PyPI

from bazel.debian.archive import archive, security
from bazel.lock import (
    check,
    debian_lock,
    diff,
    files,
    launcher_lock,
    npm_lock,
    pypi_lock,
    security_lock,
    security_report,
)
from bazel.site.messages import Problem
from bazel.site.settings import Site

_PARTS = ("debian", "pypi", "npm", "launcher")


def main() -> int:
    arguments = _arguments()
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        return _fail("start this by `./bazelw run //:lock`: it writes into the source tree.")
    if arguments.allow_expired:
        os.environ[archive.ALLOW_EXPIRED] = "1"
    try:
        if arguments.check:
            return _check(Path(workspace), arguments.base)
        return _update(Path(workspace), arguments)
    except Problem as problem:
        return _fail(f"{problem}\nNo lock was changed.")
    except OSError as error:
        return _fail(f"{error}.\nNo lock was changed.")
    except KeyboardInterrupt:
        return _fail("interrupted; no lock was changed.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./bazelw run //:lock",
        usage="./bazelw run //:lock -- [--check] [--security] [--upgrade] [PART ...]",
        description=__doc__,
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"which locks, of {', '.join(_PARTS)}; default: all",
    )
    parser.add_argument(
        "--check", action="store_true", help="only say whether locks match specs; no network"
    )
    parser.add_argument(
        "--upgrade", action="store_true", help="take the newest versions from PyPI, keep no pin"
    )
    parser.add_argument(
        "--security",
        action="store_true",
        help="only take the pending security updates; says what they change in each image",
    )
    parser.add_argument(
        "--allow-expired", action="store_true", help="take an index that is past its Valid-Until"
    )
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--gpgv", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--keyring", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(_PARTS)
    if unknown:
        parser.error(f"{min(unknown)} is no part: there are {', '.join(_PARTS)}")
    if arguments.security and (arguments.parts or arguments.upgrade):
        parser.error("--security renews one lock alone: give neither a part nor --upgrade with it")
    return arguments


def _check(workspace: Path, base: Path | None) -> int:
    problems = check.problems(workspace, base)
    if problems:
        return _fail(
            "locks and specs disagree:\n"
            + "".join(f"  {problem}\n" for problem in problems)
            + "Run `./bazelw run //:lock` to resolve them again."
        )
    print("paddle_images: every lock matches its spec")
    return 0


def _update(workspace: Path, arguments: argparse.Namespace) -> int:
    parts = () if arguments.security else arguments.parts or _parts_of(workspace, arguments.base)
    here = Site.find(workspace)
    # Absolute, since tools are run in folders of their own.
    verifier = archive.Verifier(
        str(Path(arguments.gpgv).absolute()), str(Path(arguments.keyring).absolute())
    )
    texts: dict[str, str] = {}
    known: list[archive.Package] = []
    if "debian" in parts or arguments.security:
        own = check.is_own(workspace, arguments.base)
        texts, known = _update_debian(workspace, here, verifier, own, not arguments.security)
    if "pypi" in parts:
        index = here.pypi_index or PyPI.simple_url
        constraints = check.constraints(workspace, arguments.base)
        for folder in pypi_lock.FOLDERS:
            if (workspace / folder / pypi_lock.SPEC).exists():
                new = _update_pypi(workspace, folder, index, arguments.upgrade, constraints)
                texts.update(new)
    if "npm" in parts:
        texts[npm_lock.LOCK] = npm_lock.update()
    if "launcher" in parts:
        pinned = files.read(workspace / launcher_lock.VERSION)
        texts.update(launcher_lock.update(pinned, here.debian_mirrors, verifier, _say))
    before = files.read(workspace / security_lock.LOCK)
    for name, text in texts.items():
        print("\n".join(diff.lines(name, files.read(workspace / name), text)))
    files.write({workspace / name: text for name, text in texts.items()})
    if arguments.security:
        after = texts[security_lock.LOCK]
        archives = here.debian_security_mirrors
        for line in security_report.tell(before, after, known, workspace, archives, _report):
            print(line)
    return 0


def _parts_of(workspace: Path, base: Path | None) -> tuple[str, ...]:
    """The parts whose specs the workspace has."""
    if check.is_own(workspace, base):
        return _PARTS
    specs = {"debian": debian_lock.SPEC, "pypi": pypi_lock.SPEC}
    return tuple(part for part, spec in specs.items() if (workspace / spec).exists())


def _update_pypi(
    workspace: Path, folder: str, index: str, upgrade: bool, constraints: str
) -> dict[str, str]:
    """The new texts of the locks of one requirements.in."""
    spec, lock = (
        files.read(workspace / folder / name) for name in (pypi_lock.SPEC, pypi_lock.LOCK)
    )
    lock = pypi_lock.update_requirements(folder, spec, lock, index, upgrade, constraints, _report)
    sdists = "" if folder else files.read(workspace / pypi_lock.SDISTS)
    wheels = pypi_lock.update_wheels(lock, sdists, index, _report)
    return {folder + pypi_lock.LOCK: lock, folder + pypi_lock.WHEELS: wheels}


def _update_debian(
    workspace: Path, here: Site, verifier: archive.Verifier, own: bool, renew_base: bool
) -> tuple[dict[str, str], list[archive.Package]]:
    """The new texts of Debian's locks, and all packages that the archives have."""
    spec_text = files.read(workspace / debian_lock.SPEC)
    spec = debian_lock.Spec.parse(spec_text)
    texts = {}
    main = debian_lock.load(spec, here.debian_mirrors, verifier, _report)
    if renew_base:
        texts[debian_lock.LOCK] = debian_lock.update(spec_text, spec, main, _report)
    base = texts.get(debian_lock.LOCK) or files.read(workspace / debian_lock.LOCK)
    if files.digest(spec_text) != json.loads(base or "{}").get("spec_sha256"):
        raise Problem(
            f"{debian_lock.SPEC} has changed since {debian_lock.LOCK} was made. Renew both locks "
            "of Debian: `./bazelw run //:lock -- debian`."
        )
    updates: debian_lock.Archive = dict.fromkeys(main, ())
    if spec.security:
        mirrors, channel = here.debian_security_mirrors, spec.security.channel
        try:
            updates = {
                arch: security.fetch(mirrors, channel, verifier, _report, arch).packages
                for arch in main
            }
        except archive.ArchiveError as error:
            raise Problem(
                f"{debian_lock.SPEC}, security: {error} Where there is none, delete `security:` "
                f"from {debian_lock.SPEC}."
            ) from error
    known = [package for there in (*main.values(), *updates.values()) for package in there]
    if not spec.security and not own:
        return texts, known
    old, today = files.read(workspace / security_lock.LOCK), datetime.now(UTC).date().isoformat()
    texts[security_lock.LOCK] = security_lock.update(spec, base, main, updates, old, today, _report)
    return texts, known


def _report(line: str) -> None:
    print(f"paddle_images: {line}", file=sys.stderr, flush=True)


def _say(line: str, _passing: bool) -> None:
    _report(line)


def _fail(text: str) -> int:
    print(f"paddle_images: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
