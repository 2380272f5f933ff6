"""requirements.in -> requirements_lock.txt, and with sdists.in -> wheels_lock.json.

Folders of APART have a requirements.in of their own, resolved apart: what a second
line of Paddle, a benchmark's peers or a test's clients require moves no version of the first.

pip-tools pins versions and hashes; then pip says which wheel of each pin it would install on what
we build and ship for (target.py), and what that wheel requires. A wheel for one machine gets those
for the others beside it, where the index has them. Nothing is built, and no code of a package runs:
requirements.in is met by wheels alone, and sdists.in names what is taken as it stands: an sdist,
else a wheel for any machine.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from bazel.debian.archive import archive
from bazel.lock import files, target
from bazel.platforms.table import BASE, PYTHON_VERSION
from bazel.site import settings

SPEC, LOCK, WHEELS = "requirements.in", "requirements_lock.txt", "wheels_lock.json"
SDISTS = "sdists.in"
APART = ("bazel/paddle/paddle3/", "bench/", "cc/server/clients/")
FOLDERS = ("", *APART)  # each a resolution of its own; sdists.in is the first one's alone

_DIGEST_LINE = "# spec_sha256: "
_CONSTRAINTS = "paddle_images.txt"


class PyPIError(archive.ArchiveError):
    """The index has no wheels that give what requirements.in asks for."""


@dataclasses.dataclass(frozen=True)
class Pin:
    """A requirement of requirements_lock.txt."""

    name: str
    version: str
    extras: frozenset[str]
    hashes: frozenset[str]  # sha256


@dataclasses.dataclass(frozen=True)
class Wheel:
    """The wheel that pip takes for a pin."""

    file: str
    sha256: str
    requires_dist: Sequence[str]


def normalize(name: str) -> str:
    """The name as locks and repositories spell it: PEP 503 with underscores."""
    return re.sub(r"[-_.]+", "_", name).lower()


def spec_digest(lock_text: str) -> str:
    """The digest of requirements.in that stands in its lock."""
    line = lock_text.partition("\n")[0]
    return line.removeprefix(_DIGEST_LINE) if line.startswith(_DIGEST_LINE) else ""


def parse_requirements(text: str, file: str) -> list[tuple[Requirement, frozenset[str]]]:
    """The requirements of a requirements file, with their sha256 hashes."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line or line.startswith("-"):
            continue
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line)
        try:
            found.append((Requirement(requirement), frozenset(h.strip() for h in hashes)))
        except InvalidRequirement as error:
            reason = str(error).partition("\n")[0]
            raise PyPIError(
                f"{file}: {line!r} is not a requirement: {reason}. Mend that line; "
                f"`git diff {file}` shows what has changed."
            ) from error
    return found


def parse_pins(lock_text: str) -> dict[str, Pin]:
    """The pins of a requirements_lock.txt, by name."""
    pins = {}
    for requirement, hashes in parse_requirements(lock_text, LOCK):
        name = normalize(requirement.name)
        version = str(requirement.specifier).removeprefix("==")
        pins[name] = Pin(name, version, frozenset(requirement.extras), hashes)
    return pins


def parse_sdists(text: str) -> dict[str, str]:
    """What sdists.in asks for: version by name."""
    versions: dict[str, str] = {}
    for requirement, _ in parse_requirements(text, SDISTS):
        name, version = normalize(requirement.name), str(requirement.specifier)
        if str(requirement) != f"{requirement.name}{version}" or not re.match(
            r"==[0-9][^,*]*\Z", version
        ):
            raise PyPIError(f"{SDISTS}: {str(requirement)!r} is not NAME==VERSION. Mend that line.")
        if name in versions:
            raise PyPIError(f"{SDISTS}: {name} stands there twice. Take one line out.")
        versions[name] = version.removeprefix("==")
    return versions


def fits(file: str, name: str, version: str, machine: str = BASE) -> bool:
    """Says whether a file is a wheel of this version that runs on what we ship."""
    has, number, _, has_tags = parse_wheel_filename(file)
    same = normalize(has) == name and number == Version(version)
    return same and bool(has_tags & target.supported_tags(machine))


def stands(file: str, name: str, version: str) -> bool:
    """Says whether a file is the sdist of this version, or its wheel for any machine."""
    if file.endswith("-none-any.whl"):
        return fits(file, name, version)
    try:
        has, number = parse_sdist_filename(file)
    except InvalidSdistFilename:
        return False
    return file.endswith(".tar.gz") and normalize(has) == name and number == Version(version)


def update_requirements(
    folder: str,
    spec_text: str,
    lock_text: str,
    index: str,
    upgrade: bool,
    constraints: str,
    report: archive.Report,
) -> str:
    """Runs pip-compile; returns the lock's text.

    Pins that still fit stay, unless upgrade. `constraints` has NAME==VERSION lines: what is
    needed of those is of that version.
    """
    spec = folder + SPEC
    report("resolving " + spec)
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        Path(directory, SPEC).write_text(spec_text)
        Path(directory, LOCK).write_text(lock_text)
        # -P: the folder of this file must not come onto the module path.
        command = [sys.executable, "-P", str(Path(__file__).with_name("pip_compile.py"))]
        command += ["--generate-hashes", "--allow-unsafe", "--no-strip-extras", "--no-config"]
        command += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"]
        command += ["--pip-args=--only-binary=:all:"]
        command += ["--upgrade"] if upgrade else []
        if constraints:
            Path(directory, _CONSTRAINTS).write_text(constraints)
            command += ["--constraint", _CONSTRAINTS]
        command += ["--output-file", LOCK, SPEC]
        done = subprocess.run(
            command, cwd=directory, env=_environment(index), capture_output=True, text=True
        )
        if done.returncode:
            _refuse_unreachable(index, done.stderr)
            raise PyPIError(
                f"{spec} has no solution in wheels for {target.words(BASE)} "
                f"(sdists are not taken). Change {spec}, or if a pin of the lock stands in the "
                "way run `./bazelw run //:lock -- --upgrade`. pip-compile says:\n"
                + _last_lines(done.stderr)
            )
        return f"{_DIGEST_LINE}{files.digest(spec_text)}\n" + _without_digest(
            Path(directory, LOCK).read_text()
        )


def _without_digest(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_DIGEST_LINE))


def update_wheels(lock_text: str, sdists_text: str, index: str, report: archive.Report) -> str:
    """Derives wheels_lock.json from requirements_lock.txt and sdists.in."""
    pins = parse_pins(lock_text)
    sdists = parse_sdists(sdists_text)
    for name in sorted(pins.keys() & sdists.keys()):
        raise PyPIError(
            f"{name} is in {SDISTS} and, as a wheel, in {LOCK}. Take it out of {SDISTS}, or out "
            f"of {SPEC} with all that requires it, and run `./bazelw run //:lock` again."
        )
    report(f"choosing wheels for {len(pins)} requirements")
    wheels = _choose_locked(pins, index, BASE)
    requires = required(pins, _requires_dist(wheels), BASE)
    own: dict[str, dict[str, object]] = {
        name: {
            "name": name,
            "version": pins[name].version,
            "file": wheels[name].file,
            "sha256": wheels[name].sha256,
            "requires": requires[name],
        }
        for name in sorted(pins)
    }
    for machine in target.OTHERS:
        for name, differs in _elsewhere(pins, wheels, requires, index, machine).items():
            own[name][machine] = differs
    entries = [*own.values()]
    entries += _find_sdists(sdists, index, report) if sdists else []
    entries.sort(key=lambda entry: str(entry["name"]))
    head = {
        "requirements_sha256": files.digest(lock_text),
        "sdists_sha256": files.digest(sdists_text),
    }
    return files.to_text(head, "wheels", entries)


def _elsewhere(
    pins: Mapping[str, Pin],
    base: Mapping[str, Wheel],
    requires: Mapping[str, list[str]],
    index: str,
    machine: str,
) -> dict[str, dict[str, object]]:
    """What another machine takes in place of fields of an entry.

    What has no wheel for it gets nothing, and is of the first machine alone.
    """
    bound = {name: pin for name, pin in pins.items() if not for_any_machine(base[name].file)}
    wheels = _choose_locked(_find_wheels(bound, index, machine), index, machine)
    told = required(pins, _requires_dist({**base, **wheels}), machine)
    found: dict[str, dict[str, object]] = {
        name: {"file": wheel.file, "sha256": wheel.sha256} for name, wheel in wheels.items()
    }
    for name in pins:
        if told[name] != requires[name] and (name in found or name not in bound):
            found.setdefault(name, {})["requires"] = told[name]
    return found


def for_any_machine(file: str) -> bool:
    """Whether a file of the lock is the same for all machines."""
    return file.endswith(("-any.whl", ".tar.gz"))


def of_machines(entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """An entry of wheels_lock.json as each machine has it, the first one's first."""
    others = [machine for machine in target.OTHERS if machine in entry]
    return {BASE: entry, **{machine: {**entry, **entry[machine]} for machine in others}}


def _requires_dist(wheels: Mapping[str, Wheel]) -> dict[str, Sequence[str]]:
    return {name: wheel.requires_dist for name, wheel in wheels.items()}


def _find_wheels(pins: Mapping[str, Pin], index: str, machine: str) -> dict[str, Pin]:
    """Of pins those that have a wheel for a machine on the index: pip fails if one has none."""
    if not pins:
        return {}
    asked = {f"{name.replace('_', '-')}=={pin.version}": name for name, pin in pins.items()}
    command = [sys.executable, "-P", str(Path(__file__).with_name("find_wheels.py"))]
    done = subprocess.run(
        [*command, machine, *asked], env=_environment(index), capture_output=True, text=True
    )
    if done.returncode:
        _refuse_unreachable(index, done.stderr)
        raise PyPIError(
            f"the index {archive.shown(index)} does not say which wheels it has for "
            f"{target.words(machine)}:\n" + _last_lines(done.stderr)
        )
    return {asked[pin]: pins[asked[pin]] for pin in json.loads(done.stdout)}


def _find_sdists(
    sdists: Mapping[str, str], index: str, report: archive.Report
) -> list[dict[str, object]]:
    """The entries of sdists; what they require is not known without running them."""
    report(f"finding {len(sdists)} sdists")
    pins = {f"{name.replace('_', '-')}=={version}": name for name, version in sdists.items()}
    command = [sys.executable, "-P", str(Path(__file__).with_name("find_sdists.py")), *pins]
    done = subprocess.run(command, env=_environment(index), capture_output=True, text=True)
    if done.returncode:
        _refuse_unreachable(index, done.stderr)
        raise PyPIError(
            f"{SDISTS} cannot be met by the index {archive.shown(index)}. Change {SDISTS}, or "
            "name an index that has it: `PYPI_INDEX=https://INDEX/simple ./bazelw run //:lock`. "
            "The search says:\n" + _last_lines(done.stderr)
        )
    found = json.loads(done.stdout)
    return [
        {"name": name, "version": sdists[name], **found[pin], "requires": []}
        for pin, name in pins.items()
    ]


def _choose_locked(pins: Mapping[str, Pin], index: str, machine: str) -> dict[str, Wheel]:
    """Asks pip which wheels it would install, of those whose hashes are locked."""
    wheels = _choose(pins, index, machine, hashes=False)
    # pip read only the index and metadata. Where it took a wheel that came after
    # the hashes were locked, let it choose again among those locked.
    newer = {name: pins[name] for name in pins if wheels[name].sha256 not in pins[name].hashes}
    if newer:
        wheels.update(_choose(newer, index, machine, hashes=True))
    return wheels


def _choose(pins: Mapping[str, Pin], index: str, machine: str, *, hashes: bool) -> dict[str, Wheel]:
    """Asks pip which wheels it would install."""
    if not pins:
        return {}
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        requirements, answer = Path(directory, "requirements.txt"), Path(directory, "report.json")
        requirements.write_text("".join(_line(pin, hashes) for pin in pins.values()))
        command = [sys.executable, "-P", str(Path(__file__).with_name("pip_install.py")), "--quiet"]
        command += ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:"]
        command += ["--target", f"{directory}/target", "--report", str(answer)]
        command += ["--implementation=cp", f"--abi={target.ABI}"]
        command += ["--python-version", PYTHON_VERSION]
        command += [f"--platform={platform}" for platform in target.platforms(machine)]
        command += ["--require-hashes"] if hashes else []
        command += ["--requirement", str(requirements)]
        done = subprocess.run(command, env=_environment(index), capture_output=True, text=True)
        if done.returncode:
            _refuse_unreachable(index, done.stderr)
            raise PyPIError(
                f"a requirement of {LOCK} has no usable wheel for {target.words(machine)} "
                f"(sdists are not taken). Change {SPEC} and run `./bazelw run //:lock` "
                "again. pip says:\n" + _last_lines(done.stderr)
            )
        installs = json.loads(answer.read_text())["install"]
    return dict(_wheel(install) for install in installs)


def _line(pin: Pin, hashes: bool) -> str:
    options = "".join(f" --hash=sha256:{h}" for h in sorted(pin.hashes)) if hashes else ""
    return f"{pin.name}=={pin.version}{options}\n"


def _wheel(install: Mapping[str, Any]) -> tuple[str, Wheel]:
    metadata, download = install["metadata"], install["download_info"]
    file = download["url"].partition("#")[0].rpartition("/")[2].replace("%2B", "+")
    sha256 = download["archive_info"]["hashes"]["sha256"]
    return normalize(metadata["name"]), Wheel(file, sha256, metadata.get("requires_dist", ()))


def required(
    pins: Mapping[str, Pin],
    requires_dist: Mapping[str, Iterable[str]],
    machine: str = BASE,
) -> dict[str, list[str]]:
    """Returns what each pin directly requires on a machine, markers and extras evaluated."""
    extras = {name: set(pin.extras) for name, pin in pins.items()}
    found: dict[str, set[str]] = {name: set() for name in pins}
    changed = True
    while changed:  # an extra asked for late may bring in more
        changed = False
        for name in pins:
            for requirement in map(Requirement, requires_dist[name]):
                if not _applies(requirement, extras[name], machine):
                    continue
                other = normalize(requirement.name)
                if other not in pins or not requirement.specifier.contains(
                    pins[other].version, prereleases=True
                ):
                    has = pins[other].version if other in pins else "nothing of it"
                    raise PyPIError(
                        f"{name} {pins[name].version} requires {requirement}, and {LOCK} has "
                        f"{has}. Run `./bazelw run //:lock -- --upgrade`."
                    )
                changed |= other not in found[name] or not requirement.extras <= extras[other]
                found[name].add(other)
                extras[other] |= requirement.extras
    _refuse_cycles(found)
    return {name: sorted(others - {name}) for name, others in found.items()}


def _applies(requirement: Requirement, extras: Iterable[str], machine: str) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**target.markers(machine), "extra": extra}) for extra in ("", *extras)
    )


def _refuse_cycles(requires: Mapping[str, Iterable[str]]) -> None:
    """Bazel has no cycles of targets, so wheels that require each other cannot be wired."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            cycle = " -> ".join((*path[path.index(name) :], name))
            raise PyPIError(f"wheels that require each other are not supported: {cycle}.")
        if name not in done:
            for other in requires[name]:
                if other != name:
                    visit(other, (*path, name))
            done.add(name)

    for name in requires:
        visit(name, ())


# What a machine must say to reach its index. The rest of pip's configuration (more
# indexes, local wheels, constraints) would make the lock depend on the machine.
_KEPT = {
    *("cert", "client-cert", "proxy", "trusted-host", "default-timeout", "timeout", "retries"),
    *("cache-dir", "keyring-provider", "no-cache-dir"),
}


def _environment(index: str) -> dict[str, str]:
    """The environment for pip: the index, and of the machine its way to the network alone."""
    listing = subprocess.run(
        [sys.executable, "-P", "-m", "pip", "config", "list"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    for section in ("global", "install", ":env:"):
        for line in listing.stdout.splitlines():
            match = re.match(rf"{section}\.([a-z-]+)=(.*)", line)
            if match and match[1] in _KEPT:
                value = ast.literal_eval(match[2])
                environment["PIP_" + match[1].upper().replace("-", "_")] = value
    bundle = settings.ca_bundle()
    if bundle:  # the interpreter of the lock knows no CA of its own
        environment.setdefault("PIP_CERT", str(bundle))
    parts = urllib.parse.urlsplit(index)
    if parts.scheme == "http" and parts.hostname:  # who names it so means it
        trusted = f"{environment.get('PIP_TRUSTED_HOST', '')} {parts.hostname}"
        environment["PIP_TRUSTED_HOST"] = trusted.strip()
    environment.update(
        PIP_INDEX_URL=index,  # not an argument: other users of the machine see those
        PIP_CONFIG_FILE=os.devnull,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        CUSTOM_COMPILE_COMMAND="./bazelw run //:lock",
    )
    return environment


def _refuse_unreachable(index: str, text: str) -> None:
    """pip takes an index that does not answer, or not us, for one that has nothing."""
    refused = [line.strip() for line in text.splitlines() if "Credentials not correct" in line]
    if refused:
        raise PyPIError(
            f"the index {archive.shown(index)} wants another login. One is taken from the URL, "
            "`PYPI_INDEX=https://USER:PASSWORD@INDEX/simple ./bazelw run //:lock`, and from "
            f"~/.netrc. pip says:\n  {refused[-1]}"
        )
    broken = [line.strip() for line in text.splitlines() if "after connection broken by" in line]
    if broken:
        raise PyPIError(
            f"the index {archive.shown(index)} cannot be reached. Check the network, the proxy "
            "and the CA bundle, or name another index: `PIP_INDEX_URL=https://INDEX/simple "
            f"./bazelw run //:lock`. pip says:\n  {broken[-1]}"
        )


def _last_lines(text: str) -> str:
    # pip lists every version that there is; the end of such a line says the newest.
    lines = [
        re.sub(r"(?<=.{120}).{20,}(?=.{120})", " ... ", line.strip()) for line in text.splitlines()
    ]
    return "\n".join("  " + line for line in lines[-12:] if line)
