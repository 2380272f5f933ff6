"""Holds an image to its contract: a YAML file beside it, and what every image promises.

    contract --layout DIR --contract FILE [--file FILE ...] [--unpacked-mb N] [--compressed-mb N]

docs/images.md has the keys. It names every broken promise, not only the first.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bazel.image.base import namespaces, terms
from bazel.image.base.processes import UserError
from bazel.image.oci.layout import Image, ImageError, resolved
from bazel.image.run import elf, emulator, run, runtime

STATUS = "var/lib/dpkg/status.d/"
Json = dict[str, Any]


def names(value: Json | None) -> list[str]:
    return sorted(value or {})


CONFIG_KEYS: dict[str, Callable[[Json], object]] = {
    "user": lambda config: config.get("User", ""),
    "workdir": lambda config: config.get("WorkingDir", ""),
    "entrypoint": lambda config: config.get("Entrypoint", []),
    "cmd": lambda config: config.get("Cmd", []),
    "env": lambda config: dict(entry.partition("=")[::2] for entry in config.get("Env", [])),
    "ports": lambda config: names(config.get("ExposedPorts")),
    "volumes": lambda config: names(config.get("Volumes")),
    "stop_signal": lambda config: config.get("StopSignal", ""),
    "healthcheck": lambda config: config.get("Healthcheck", {}).get("Test", []),
}


class Contract:
    """The promises of one image, and those found broken."""

    def __init__(self, image: Image, root: Path, told: Json, posted: Sequence[Path] = ()) -> None:
        self.image, self.root, self.terms = image, root, told
        self.posted = {file.name: file for file in posted}
        self.broken: list[str] = []
        self.kept = 0
        self.files: dict[str, tuple[int, tarfile.TarInfo]] = {}  # path -> layer, entry

    def check(self, promise: bool, otherwise: str) -> None:
        if promise:
            self.kept += 1
        else:
            self.broken.append(otherwise)

    def equal(self, what: str, got: object, expected: object) -> None:
        self.check(got == expected, f"{what} is {got!r}, the contract says {expected!r}")

    # What every image promises

    def check_entries(self) -> None:
        """No setuid, nothing for all to write, one owner a file, one date."""
        for index in range(len(self.image.layers)):
            for member, _ in self.image.open_layer(index):
                path = "/" + member.name
                self.check(not member.mode & 0o6000, f"{path} is setuid or setgid")
                for_all = member.mode & 0o2 and not member.mode & 0o1000 and not member.issym()
                self.check(not for_all, f"{path} can be written by everybody")
                self.check(member.mtime == 0, f"{path} is dated {member.mtime}, not 0")
                known = self.files.get(path)
                if known and not (known[1].isdir() and member.isdir()):
                    same = known[1].issym() and known[1].linkname == member.linkname
                    self.check(same, f"{path} is in layers {known[0]} and {index}")
                self.files[path] = (index, member)

    def check_libraries(self) -> None:
        files = sorted(path for path, (_, member) in self.files.items() if member.isreg())
        missing = elf.missing(self.root, files)
        for path in files:
            self.check(path not in missing, f"{path} needs {missing.get(path)}, not in the image")

    def check_history(self) -> None:
        history = [entry.get("created_by", "") for entry in self.image.config["history"]]
        for text in history:
            leak = re.search(r"//|bazel|:[a-z_]+$", text)
            self.check(not leak, f"the history says {text!r}: labels make digests differ")
        if "layers" in self.terms:
            self.equal("layers (history)", history, self.terms["layers"])

    def check_size(self, budget: dict[str, int | None]) -> None:
        sizes: dict[str, int] = {
            path: member.size for path, (_, member) in self.files.items() if member.isreg()
        }
        layers = {
            f"layer {index} ({self.image.config['history'][index].get('created_by')})": layer[
                "size"
            ]
            for index, layer in enumerate(self.image.layers)
        }
        for kind, got, parts in (
            ("unpacked", sum(sizes.values()), sizes),
            ("compressed", self.image.compressed_size, layers),
        ):
            print(f"{kind} size: {got / 1e6:.1f} MB")
            limit = budget[kind]
            if limit is not None:
                biggest = sorted(parts.items(), key=lambda item: -item[1])[:8]
                lines = [f"    {size / 1e6:8.1f} MB  {name}" for name, size in biggest]
                self.check(
                    got <= limit * 1e6,
                    f"the image has {got / 1e6:.1f} MB {kind}, its budget is {limit} MB; "
                    "the biggest:\n" + "\n".join(lines),
                )

    # What this one promises

    def check_config(self) -> None:
        config = self.image.config["config"]
        for key, get in CONFIG_KEYS.items():
            if key in self.terms:
                self.equal(key, get(config), self.terms[key])
        for holder, labels in (
            ("label", config.get("Labels", {})),
            ("annotation", self.image.manifest.get("annotations", {})),
        ):
            for name, value in self.terms.get(holder + "s", {}).items():
                what, got = f"{holder} {name}", labels.get(name)
                if not isinstance(value, dict):
                    self.equal(what, got, value)
                    continue
                pattern = value["matches"]
                good = got is not None and bool(re.fullmatch(pattern, got))
                self.check(good, f"{what} is {got!r}, the contract says it matches {pattern!r}")

    def check_files(self) -> None:
        for path, facts in self.terms.get("present", {}).items():
            if path not in self.files:
                self.check(False, f"{path} is not in the image")
                continue
            member = self.files[path][1]
            got = {
                "mode": f"{member.mode:04o}",
                "owner": f"{member.uid}:{member.gid}",
                "link": member.linkname,
            }
            for key, expected in (facts or {}).items():
                if key == "contains":
                    file = resolved(self.root, path)
                    text = file.read_text(errors="replace") if file.is_file() else ""
                    self.check(expected in text, f"{path} does not contain {expected!r}")
                else:
                    self.equal(f"{key} of {path}", got.get(key), expected)
            self.kept += 1
        for pattern in self.terms.get("absent", []):
            found = fnmatch.filter(self.files, pattern)
            self.check(not found, f"{', '.join(sorted(found)[:5])} must not be in the image")

    def check_packages(self) -> None:
        if "packages" in self.terms:
            prefix = "/" + STATUS
            records = [path for path in self.files if path.startswith(prefix)]
            got = {path.removeprefix(prefix) for path in records if not path.endswith(".md5sums")}
            self.equal("packages", sorted(got), sorted(self.terms["packages"]))

    def check_commands(self, cache: Path) -> None:
        for term in self.terms.get("commands", []):
            what = described(term)
            container = self.start(term, cache)
            try:
                code = container.wait()
            except subprocess.TimeoutExpired:
                self.check(False, f"{what} did not end within {runtime.SECONDS} s")
                continue
            self.check_end(term, container, code)

    def check_services(self, cache: Path) -> None:
        """Programs that answer HTTP requests until they are stopped."""
        for term in self.terms.get("services", []):
            what = described(term)
            with self.start(term, cache) as container:
                for request in term["requests"]:
                    try:
                        status, body = container.ask(
                            request["path"], request["status"], self.body_of(request)
                        )
                    except AssertionError as error:
                        self.check(False, f"{what}: {error}")
                        break
                    said = f"{what}: {request['path']} answers {status}"
                    self.check(status == request["status"], f"{said}, not {request['status']}")
                    pattern = request.get("body", "")
                    self.check(
                        bool(re.search(pattern, body)), f"{said} without {pattern!r}: {body[:500]}"
                    )
                taken = container.peak_bytes()
                code = container.stop()
            self.check_end(term, container, code)
            # Under QEMU it is QEMU's memory, too.
            if "memory_mb" in term and not emulator.needed(self.image.architecture):
                print(f"{what}: {taken / 1e6:.0f} MB of memory")
                self.check(
                    0 < taken <= term["memory_mb"] * 1e6,
                    f"{what} took {taken / 1e6:.0f} MB of memory, the contract says at most "
                    f"{term['memory_mb']} MB",
                )

    def body_of(self, request: Json) -> bytes | None:
        if "post" not in request:
            return None
        if request["post"] not in self.posted:
            known = ", ".join(sorted(self.posted)) or "nothing"
            raise UserError(
                f"the contract posts {request['post']}, which is none of the image's "
                f"`contract_files`: there is {known}"
            )
        return self.posted[request["post"]].read_bytes()

    def start(self, term: Json, cache: Path) -> runtime.Container:
        options = ["--user", term["user"]] if "user" in term else []
        options += [f"--env={name}={value}" for name, value in term.get("env", {}).items()]
        program, *arguments = term["run"] if "run" in term else [None, *term["arguments"]]
        options += ["--entrypoint", program] if program else []
        return runtime.Container(
            self.image.layout, cache=cache, arguments=arguments, options=options
        )

    def check_end(self, term: Json, container: runtime.Container, code: int) -> None:
        what = described(term)
        output = f"\n  stdout: {container.stdout.strip()}\n  stderr: {container.stderr.strip()}"
        expected = term.get("exit", 0)
        self.check(code == expected, f"{what} ended with {code}, not {expected}{output}")
        for stream in ("stdout", "stderr"):
            if stream in term:
                found = re.search(term[stream], getattr(container, stream))
                self.check(bool(found), f"{what}: no {term[stream]!r} in {stream}{output}")


def described(term: Json) -> str:
    """A command as messages name it."""
    words = term.get("run") or ["ENTRYPOINT", *term["arguments"]]
    return f"`{' '.join(words)}`" + (f" as user {term['user']}" if "user" in term else "")


def read_terms(path: Path, values: Mapping[str, str] | None = None) -> Json:
    return terms.read(
        path,
        Path(__file__).with_name("contract.schema.yaml"),
        "contract (docs/images.md has its keys)",
        values or {},
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="contract", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layout", type=Path, required=True)
    parser.add_argument("--contract", type=Path, required=True)
    parser.add_argument("--file", type=Path, action="append", default=[], help="that it posts")
    parser.add_argument("--value", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--unpacked-mb", type=int)
    parser.add_argument("--compressed-mb", type=int)
    args = parser.parse_args(argv)
    image = Image(args.layout)
    cache = Path(os.environ.get("TEST_TMPDIR", "/tmp"))
    try:
        values = dict(value.split("=", 1) for value in args.value)
        told = read_terms(args.contract, values)
        if told.keys() & {"commands", "services"}:
            namespaces.require(cache)
        with run.unpacked(image, runtime.NAME, cache) as root:
            contract = Contract(image, root, told, args.file)
            contract.check_entries()
            contract.check_libraries()
            contract.check_history()
            contract.check_size({"unpacked": args.unpacked_mb, "compressed": args.compressed_mb})
            contract.check_config()
            contract.check_files()
            contract.check_packages()
            contract.check_commands(cache)
            contract.check_services(cache)
    except (UserError, ImageError) as error:
        print(f"FAIL: {error}")
        return 1
    for text in contract.broken:
        print(f"FAIL: {text}")
    print(f"{contract.kept} promises kept, {len(contract.broken)} broken")
    return 1 if contract.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
