"""Makes the referrers of an image: bills of materials, provenance, OpenVEX, as an OCI layout.

    referrers --layout LAYOUT --sbom DIRECTORY --name NAME --label LABEL --flags JSON
        --lock PATH=FILE --out L

Provenance is an in-toto statement (v1) with SLSA's predicate (v1); what the image was made of are
the locks and the entries of them that are in it. artifacts.py has the layout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from bazel.image.attest.annotations import REVISION
from bazel.image.base import worker
from bazel.image.oci import artifacts
from bazel.image.oci.artifacts import CYCLONEDX, IN_TOTO, OPENVEX, SLSA, SPDX
from bazel.image.oci.layout import Image, Json

_BUILDER = "urn:paddle_images:bazel"


def provenance(
    image: Image,
    name: str,
    label: str,
    flags: Json,
    locks: dict[str, Path],
    contents: list[Json],
) -> Json:
    """An in-toto statement of how an image came to be.

    `flags` are those of the build that whoever built it may have set, in whichever file.
    """
    materials: list[Json] = [
        {"uri": f"file:{path}", "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}}
        for path, file in sorted(locks.items())
    ]
    materials += [
        {"uri": component["purl"], "digest": {"sha256": component["sha256"]}}
        for component in contents
        if component["purl"] and component["sha256"]
    ]
    said = image.manifest.get("annotations", {})
    if (commit := said.get(REVISION)) and not commit.endswith("-dirty"):
        source: Json = {"name": "source", "digest": {"gitCommit": commit}}
        where = said.get("org.opencontainers.image.source")
        materials.append(source | ({"uri": f"git+{where}"} if where else {}))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": image.digest.partition(":")[2]}}],
        "predicateType": SLSA,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{_BUILDER}:v1",
                "externalParameters": {"target": label, "flags": flags},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": _BUILDER}},
        },
    }


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="referrers", description=__doc__)
    for flag in ("layout", "sbom", "out"):
        parser.add_argument(f"--{flag}", type=Path, required=True)
    for flag in ("name", "label"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--flags", type=json.loads, default={})
    parser.add_argument("--lock", action="append", default=[], metavar="PATH=FILE")
    args = parser.parse_args(argv)
    image = Image(args.layout)
    locks = {path: Path(file) for path, file in (lock.split("=", 1) for lock in args.lock)}
    contents = json.loads((args.sbom / "contents.json").read_text())
    statement = provenance(image, args.name, args.label, args.flags, locks, contents)
    payloads = {
        SPDX: (args.sbom / "spdx.json").read_bytes(),
        CYCLONEDX: (args.sbom / "cyclonedx.json").read_bytes(),
        IN_TOTO: (json.dumps(statement, indent=1) + "\n").encode(),
    }
    if (known := args.sbom / "openvex.json").exists():
        payloads[OPENVEX] = known.read_bytes()
    artifacts.write(image, payloads, args.out)
    return 0


if __name__ == "__main__":
    worker.run(main)
