"""Verifies a pushed image: its signature, what is told beside it, that it can be built again here.

    ./bazelw run //images:verify -- [--key NAME.pub] [--deep] [--vsa FILE] [REFERENCE ...]

A REFERENCE is HOST/NAME@DIGEST or HOST/NAME:TAG; of an index each image is verified. Without one
the images of this workspace are verified in the embedded registry. Exits 1 when something differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bazel.image.attest import contents, security, signing
from bazel.image.attest.components import flat
from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bazel.image.oci import artifacts
from bazel.image.oci.artifacts import BUNDLE, CYCLONEDX, IN_TOTO, OPENVEX, SLSA, SPDX
from bazel.image.oci.layout import LIMITS, Image, Json
from bazel.image.push import summary
from bazel.image.registry import registry
from bazel.image.registry.skopeo import MissingError, Skopeo, parse
from bazel.oci.layout import dump

_KINDS = {SPDX: "SPDX", CYCLONEDX: "CycloneDX", IN_TOTO: "provenance"}


@dataclass
class Verdict:
    """What was found about one image, or an index of images."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    held: dict[str, bool] = field(default_factory=dict)  # check -> whether it did, every time
    image: tuple[str, str] = ("", "")  # repository and digest
    inputs: list[Json] = field(default_factory=list)  # what was looked at

    @property
    def failed(self) -> bool:
        return not all(self.held.values())

    def say(self, what: str, text: str) -> None:
        # Names in an image may be anything, such as what moves a terminal's cursor.
        self.lines.append((what, "".join(c if c.isprintable() else "\ufffd" for c in text)))

    def check(self, what: str, good: bool, text: str, otherwise: str) -> None:
        self.say(what, text if good else otherwise)
        self.held[what] = good and self.held.get(what, True)


@dataclass(frozen=True)
class Built:
    """An image that is built here, and what would be told beside it."""

    image: Image
    told: Json


class Verifier:
    """Verifies images of registries against those that are built here."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        # The embedded registry wants no login, so nobody is asked for one.
        access = () if args.references else ("no-creds",)
        self.skopeo = Skopeo(args.skopeo, args.authfile, args.insecure, access)
        self.key: ec.EllipticCurvePublicKey | None = None
        self.key_name, self.deep, self._folder = "", bool(args.deep), folder
        self._key_file = args.key
        self.summaries: list[bytes] = []
        if args.key:
            self.key, self.key_name = signing.read_public_key(args.key), args.key.name
        self.locks = {path: Path(file) for path, file in pairs(args.lock)}
        images = {target: Image(Path(path)) for target, path in pairs(args.image)}
        self.built = {
            target: Built(images[target], artifacts.read(Image(Path(path)), images[target].digest))
            for target, path in pairs(args.referrers)
        }

    def verify(self, reference: str) -> Iterator[Verdict]:
        """Verifies what a reference leads to: an image, or an index and then each of its images."""
        manifest = self.skopeo.manifest(reference)
        try:
            entries = json.loads(manifest).get("manifests", [])
            images = {
                parse(f"{parse(reference)['repository']}@{entry['digest']}")[0]: entry
                for entry in entries
            }
            machines = [entry.get("platform") or {} for entry in entries]
            told = ", ".join(f"{p.get('os')}/{p.get('architecture')}" for p in machines)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise UserError(f"{reference} is not as it should be: {error!r}") from error
        if not images:
            yield self.verify_image(reference, manifest)
            return
        verdict = self.begin(reference, manifest, "index", f" of {told}")
        self.check_signature(*verdict.image, "the index", verdict)
        yield verdict
        for image in images:
            yield self.verify_image(image, self.skopeo.manifest(image))

    def begin(self, reference: str, manifest: bytes, what: str, more: str = "") -> Verdict:
        """A verdict that says what there is, and whether it is what was asked for."""
        matched, verdict = parse(reference), Verdict()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        verdict.image = matched["repository"], digest
        verdict.say(what, f"{matched['repository']}@{digest}{more}")
        if matched["digest"]:
            right = digest == matched["digest"]
            verdict.check("manifest", right, "has the digest asked for", f"is not {reference}")
        return verdict

    def verify_image(self, reference: str, manifest: bytes) -> Verdict:
        """Verifies one image."""
        verdict = self.begin(reference, manifest, "image")
        repository, digest = verdict.image
        # Anybody may have pushed this: it need not be what it should.
        try:
            told = self.check_beside(repository, digest, verdict)
            self.check_bills(told, digest, verdict)
            target = self.check_provenance(told, digest, verdict)
            self.check_rebuilt(target, told, digest, verdict)
            if self.deep:
                self.check_layers(f"{repository}@{digest}", told, verdict)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            verdict.check("beside", False, "", f"is not as it should be: {error!r}")
        except UserError as error:
            verdict.check("beside", False, "", str(error))
        self.summarize(verdict)
        return verdict

    def summarize(self, verdict: Verdict) -> None:
        """Adds a line for the file of summaries."""
        policy = {
            "deep": self.deep,
            "key": digest_of(self._key_file) if self._key_file else None,
            "locks": {path: digest_of(file) for path, file in sorted(self.locks.items())},
        }
        statement = summary.statement(*verdict.image, verdict.held, policy, verdict.inputs)
        self.summaries.append(dump(statement) + b"\n")

    def check_signature(
        self,
        repository: str,
        digest: str,
        what: str,
        verdict: Verdict,
        bundles: Sequence[Json] = (),
    ) -> None:
        """By the key, if one was given."""
        if not self.key:
            verdict.say("signature", f"of {what}: not checked (--key NAME.pub does)")
            return
        reference = f"{repository}:{signing.signature_tag(digest)}"
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
            files_up_to(LIMITS.document),
        ):
            signatures = None
            with suppress(MissingError):
                signatures = self.skopeo.fetch(reference, Path(folder, "signatures"))
            trouble = signing.trouble(signatures, digest, self.key, bundles)
        good = f"of {what}: by {self.key_name}"
        verdict.check(
            "signature", not trouble, good, f"of {what}: not by {self.key_name}: {trouble}"
        )

    def check_beside(self, repository: str, digest: str, verdict: Verdict) -> Json:
        """What refers to the image, by media type, each byte checked by its digest.

        Signatures of the image are there, and below a tag: it is looked at whatever is beside it.
        """
        told: Json = {}
        try:
            with files_up_to(LIMITS.document):
                index, told, verdict.inputs = self.skopeo.beside(repository, digest)
        finally:
            bundles = told.get(BUNDLE, [])
            self.check_signature(repository, digest, "the image", verdict, bundles)
        self.check_signature(repository, index, "what is beside it", verdict)
        lacks = ", ".join(name for kind, name in _KINDS.items() if kind not in told)
        if lacks:
            raise UserError(f"lacks {lacks}")
        also = ["OpenVEX"] if OPENVEX in told else []
        verdict.say("beside", ", ".join([*_KINDS.values(), *also]))
        return told

    def check_bills(self, told: Json, digest: str, verdict: Verdict) -> None:
        """Both bills are of this image and name the same things."""
        packages = [p for p in told[SPDX]["packages"] if p["SPDXID"] != "SPDXRef-image"]
        spdx = sorted((p["name"], p.get("versionInfo", "")) for p in packages)
        components = flat(told[CYCLONEDX])
        cyclonedx = sorted((c["name"], c.get("version", "")) for c in components)
        of_it = told[CYCLONEDX]["metadata"]["component"]["version"] == digest
        of_it &= str(told[SPDX]["name"]).endswith(digest)
        for statement in told.get(OPENVEX, {}).get("statements", []):
            of_it &= all(f"@{digest}?" in product["@id"] for product in statement["products"])
        text = f"both of this image, {len(spdx)} components"
        verdict.check("bills", of_it, text, "of another image")
        same = spdx == cyclonedx
        verdict.check("bills", same, "name the same things", "differ from each other")

    def check_provenance(self, told: Json, digest: str, verdict: Verdict) -> str:
        """The statement is of this image and of the locks here; gives the target it names."""
        statement = told[IN_TOTO]
        subjects = [s["digest"]["sha256"] for s in statement["subject"]]
        mine = digest.partition(":")[2] in subjects and statement["predicateType"] == SLSA
        verdict.check("provenance", mine, "of this image", "of another image")
        definition = statement["predicate"]["buildDefinition"]
        made_of = {}
        for entry in definition["resolvedDependencies"]:
            made_of[entry.get("uri")] = entry["digest"].get("sha256")
            if commit := entry["digest"].get("gitCommit"):
                verdict.say("source", f"commit {commit}: verify there, digests name it")
        patched = any(is_security_lock(uri or "") for uri in made_of)
        if patched != any(map(is_security_lock, self.locks)):
            how = f"with{'' if patched else 'out'} `--config=patched`"
            verdict.check("lock", False, "", f"it was built {how}: verify it {how} too")
        for path, file in self.locks.items():
            if is_security_lock(path) and not patched:
                continue
            here = digest_of(file)
            verdict.check(
                "lock",
                made_of.get(f"file:{path}") == here,
                f"{path} equal",
                f"{path} differs from the one here: check out the commit that it was built from",
            )
        return str(definition["externalParameters"]["target"])

    def check_rebuilt(self, target: str, told: Json, digest: str, verdict: Verdict) -> None:
        """The build here has the same digest, and tells the same of what is inside."""
        built = self.built.get(target)
        if not built:
            verdict.check("rebuilt", False, "", f"{target} is no image of this workspace")
            return
        same = built.image.digest == digest
        other = f"{target} here: {built.image.digest}"
        verdict.check("rebuilt", same, f"{target} here: equal", other)
        if same:
            kinds = (SPDX, CYCLONEDX, OPENVEX)
            bills = all(built.told.get(kind) == told.get(kind) for kind in kinds)
            verdict.check("rebuilt", bills, "its bills here: equal", "its bills here: other ones")

    def check_layers(self, reference: str, told: Json, verdict: Verdict) -> None:
        """The bills name what is in the layers, all of which are pulled."""
        manifest = json.loads(self.skopeo.manifest(reference))
        biggest = self.skopeo.measure(manifest, most=LIMITS.pulled)
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
            files_up_to(max(biggest, LIMITS.document)),
        ):
            pulled = self.skopeo.fetch(reference, Path(folder, "image"))
            debian = [f for path, f in self.locks.items() if path.endswith("debian_lock.json")]
            wheels = [f for path, f in self.locks.items() if path.endswith("wheels_lock.json")]
            inside = contents.components(
                pulled,
                contents.read(pulled),
                contents.locked(debian, "packages"),
                contents.locked(wheels, "wheels"),
            )
        found = {(c.name, c.version, f"{c.size} B") for c in inside}
        billed = {
            (component["name"], component.get("version", ""), f"{entry['value']} B")
            for component in flat(told[CYCLONEDX])
            for entry in component["properties"]
            if entry["name"] == "paddle_images:bytes"
        }
        words = [" ".join(entry) for entry in sorted(found ^ billed)]
        verdict.check(
            "layers",
            not words,
            f"hold what the bills name, {len(found)} components, to the byte",
            f"hold other things than the bills name: {', '.join(words[:5])}",
        )


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Programs that are started write no bigger file: a registry may send more than it said."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    small = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (small, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def is_security_lock(path: str) -> bool:
    """Whether a path, or a URI of one, is that of a lock of security updates."""
    return path.removeprefix("file:").rpartition("/")[2] == security.LOCK


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """Of words like KEY=VALUE."""
    return [(key, value) for key, _, value in (word.partition("=") for word in words)]


@contextmanager
def places(args: argparse.Namespace, built: dict[str, Built]) -> Iterator[dict[str, str]]:
    """The references to verify, while a registry serves them, and the targets of those of ours."""
    if args.references:
        yield dict.fromkeys(args.references, "")
        return
    with registry.embedded(args.docker_registry, registry.storage_folder()) as port:
        yield {
            f"localhost:{port}/paddle/{target.rpartition(':')[2]}@{here.image.digest}": target
            for target, here in built.items()
        }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="verify",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("skopeo", "docker-registry"):
        parser.add_argument("--" + name, type=Path, required=True, help=argparse.SUPPRESS)
    for name in ("image", "referrers", "lock"):
        parser.add_argument("--" + name, action="append", default=[], help=argparse.SUPPRESS)
    path = processes.user_path
    parser.add_argument("--authfile", type=path, help="file of logins")
    parser.add_argument(
        "--deep", action="store_true", help="pull, and hold the bills to the layers"
    )
    parser.add_argument("--insecure", action="store_true", help="accept HTTP and any certificate")
    parser.add_argument("--key", type=path, help="public key that must have signed it, PEM")
    parser.add_argument(
        "--vsa", type=path, help="write what was found as SLSA's verification summary, a line each"
    )
    parser.add_argument("references", nargs="*", metavar="REFERENCE")
    args = parser.parse_args()
    failed, verdicts, absent = False, 0, 0
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as folder:
        verifier = Verifier(args, Path(folder))
        with places(args, verifier.built) as references:
            for reference, target in references.items():
                try:
                    for verdict in verifier.verify(reference):
                        for what, text in verdict.lines:
                            print(f"{what:<11}{text}")
                        failed |= verdict.failed
                except MissingError:
                    if not target:
                        raise
                    print(f"{'image':<11}{target} is not pushed: `./bazelw run {target}_push`")
                    absent += 1
                    continue
                verdicts += 1
        # At the end: what goes wrong before, such as a reference that is none, keeps the last one.
        if args.vsa and verifier.summaries:
            args.vsa.write_bytes(b"".join(verifier.summaries))
    failed |= not verdicts
    some = f" {verdicts} of {verdicts + absent}: the others are not pushed" if absent else ""
    print("NOT verified: see above" if failed else f"verified{some}")
    return 1 if failed else 0


if __name__ == "__main__":
    processes.run_main(main)
