"""Verifies a pushed image: its bytes, what is told beside it, and that it can be built again here.

    ./bazelw run //images:verify -- [REFERENCE ...]

A REFERENCE is HOST/NAME@DIGEST or HOST/NAME:TAG. Without one the images of this workspace are
verified in the embedded registry. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bazel.image.private import processes, registry
from bazel.image.private.layout import Image
from bazel.image.private.processes import UserError
from bazel.image.private.referrers import CYCLONEDX, IN_TOTO, SLSA, SPDX, referrers_tag

_REFERENCE = re.compile(
    r"(?P<repository>[^@]+?/[^@]+?)(@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))"
)


@dataclass
class Verdict:
    """What was found about one image."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False

    def say(self, what: str, text: str) -> None:
        self.lines.append((what, text))

    def check(self, what: str, good: bool, text: str, otherwise: str) -> None:
        self.say(what, text if good else otherwise)
        self.failed |= not good


class Skopeo:
    """Reads registries with skopeo and the user's logins."""

    def __init__(self, program: Path, authfile: Path | None, insecure: bool) -> None:
        self._program = program
        self._flags = [f"--authfile={authfile}"] if authfile else []
        self._insecure = insecure

    def run(self, command: list[str], source: str, *target: str) -> bytes:
        verify = command[:1] == ["copy"]
        loopback = re.match(r"docker://(localhost|127\.\d+\.\d+\.\d+)[:/]", source)
        tls = "--src-tls-verify=false" if verify else "--tls-verify=false"
        words = [str(self._program), "--insecure-policy", *command, *self._flags]
        words += [tls] if self._insecure or loopback else []
        done = subprocess.run([*words, source, *target], capture_output=True, check=False)
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip().rpartition("msg=")[2]
            raise UserError(f"{source.removeprefix('docker://')} cannot be read: {text}")
        return done.stdout

    def manifest(self, reference: str) -> bytes:
        return self.run(["inspect", "--raw"], f"docker://{reference}")

    def index(self, reference: str, layout: Path) -> dict[str, Any]:
        """Fetches an index with all that it names; gives the index."""
        command = ["copy", "--quiet", "--all", "--preserve-digests"]
        self.run(command, f"docker://{reference}", f"oci:{layout}")
        root = Image(layout)
        return root.json(root.digest)


def artifacts(skopeo: Skopeo, repository: str, digest: str, verdict: Verdict) -> dict[str, Any]:
    """What refers to the image, by media type, each byte checked by its digest."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        layout = Path(directory, "referrers")
        try:
            index = skopeo.index(f"{repository}:{referrers_tag(digest)}", layout)
        except UserError as error:
            verdict.check("beside", False, "", f"nothing is told beside it: {error}")
            return found
        image = Image(layout)
        for entry in index["manifests"]:
            manifest = image.json(entry["digest"])
            if manifest.get("subject", {}).get("digest") != digest:
                verdict.check("beside", False, "", f"{entry['digest']} is of another image")
                continue
            for layer in manifest["layers"]:
                found[layer["mediaType"]] = image.json(layer["digest"])
    kinds = {SPDX: "SPDX", CYCLONEDX: "CycloneDX", IN_TOTO: "provenance"}
    missing = [name for kind, name in kinds.items() if kind not in found]
    verdict.check("beside", not missing, ", ".join(kinds.values()), f"lacks {', '.join(missing)}")
    return found


def check_bills(told: dict[str, Any], digest: str, verdict: Verdict) -> None:
    """Both bills are of this image and name the same things."""
    if SPDX not in told or CYCLONEDX not in told:
        return
    packages = [p for p in told[SPDX]["packages"] if p["SPDXID"] != "SPDXRef-image"]
    spdx = sorted((p["name"], p["versionInfo"]) for p in packages)
    cyclonedx = sorted((c["name"], c["version"]) for c in told[CYCLONEDX]["components"])
    of_it = told[CYCLONEDX]["metadata"]["component"]["version"] == digest
    of_it &= str(told[SPDX]["name"]).endswith(digest)
    verdict.check("bills", of_it, f"both of this image, {len(spdx)} components", "of another image")
    verdict.check("bills", spdx == cyclonedx, "name the same things", "differ from each other")


def check_provenance(
    statement: dict[str, Any], digest: str, locks: dict[str, Path], verdict: Verdict
) -> str:
    """The statement is of this image and of the locks here; gives the target it names."""
    subjects = [s["digest"]["sha256"] for s in statement["subject"]]
    mine = digest.partition(":")[2] in subjects and statement["predicateType"] == SLSA
    verdict.check("provenance", mine, "of this image", "of another image")
    definition = statement["predicate"]["buildDefinition"]
    told = {d["uri"]: d["digest"]["sha256"] for d in definition["resolvedDependencies"]}
    for path, file in locks.items():
        here = hashlib.sha256(file.read_bytes()).hexdigest()
        verdict.check(
            "lock",
            told.get(f"file:{path}") == here,
            f"{path} equal",
            f"{path} differs from the one here: check out the commit that it was built from",
        )
    return str(definition["externalParameters"]["target"])


def verify(
    skopeo: Skopeo, reference: str, images: dict[str, Image], locks: dict[str, Path]
) -> Verdict:
    """Verifies one reference."""
    matched = _REFERENCE.fullmatch(reference)
    if not matched:
        raise UserError(f"{reference} is no reference: write HOST/NAME@DIGEST or HOST/NAME:TAG")
    verdict, repository = Verdict(), matched["repository"]
    data = skopeo.manifest(reference)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    verdict.say("image", f"{repository}@{digest}")
    if matched["digest"]:
        right = digest == matched["digest"]
        verdict.check("manifest", right, "has the digest asked for", f"is not {reference}")
    told = artifacts(skopeo, repository, digest, verdict)
    check_bills(told, digest, verdict)
    if IN_TOTO not in told:
        return verdict
    target = check_provenance(told[IN_TOTO], digest, locks, verdict)
    if target in images:
        built = images[target].digest
        verdict.check(
            "rebuilt", built == digest, f"{target} here: equal", f"{target} here: {built}"
        )
    else:
        verdict.check("rebuilt", False, "", f"{target} is no image of this workspace")
    return verdict


@contextmanager
def places(args: argparse.Namespace, images: dict[str, Image]) -> Iterator[list[str]]:
    """The references to verify, while a registry serves them."""
    if args.references:
        yield args.references
        return
    with registry.embedded(args.docker_registry, registry.storage_folder()) as port:
        yield [
            f"localhost:{port}/paddle/{target.rpartition(':')[2]}@{image.digest}"
            for target, image in images.items()
        ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="verify", allow_abbrev=False, description=__doc__)
    for name in ("skopeo", "docker-registry"):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("image", "lock"):
        parser.add_argument("--" + name, action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--authfile", type=processes.user_path, help="file of logins")
    parser.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    parser.add_argument("references", nargs="*", metavar="REFERENCE")
    args = parser.parse_args()
    images = {target: Image(Path(path)) for target, path in (i.split("=", 1) for i in args.image)}
    locks = {path: Path(file) for path, file in (lock.split("=", 1) for lock in args.lock)}
    skopeo = Skopeo(args.skopeo, args.authfile, args.insecure)
    failed = False
    with places(args, images) as references:
        for reference in references:
            verdict = verify(skopeo, reference, images, locks)
            for what, text in verdict.lines:
                print(f"{what:<11}{text}")
            failed |= verdict.failed
    print("verified" if not failed else "NOT verified: see above")
    return 1 if failed else 0


if __name__ == "__main__":
    processes.run_main(main)
