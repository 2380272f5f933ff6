"""Says what `verify` found as an in-toto statement: SLSA's verification summary (VSA).

https://slsa.dev/spec/v1.1/verification_summary

Who deploys may ask for it in place of all that was looked at. It is not signed: whoever verified
signs it, if others are to believe it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from packageurl import PackageURL

from bazel.image.oci.layout import Json
from bazel.oci.layout import dump

_VSA = "https://slsa.dev/verification_summary/v1"
_VERIFIER = "urn:paddle_images:verify"
# What a check that held says beyond SLSA, whose names all begin with SLSA_.
_MORE = {
    "signature": "PADDLE_IMAGES_SIGNED",
    "rebuilt": "PADDLE_IMAGES_REBUILT",
    "layers": "PADDLE_IMAGES_BILLS_MATCH_LAYERS",
}


def statement(
    repository: str,
    digest: str,
    held: Mapping[str, bool],
    policy: Json,
    inputs: Sequence[Json],
) -> Json:
    """The summary of one image.

    Args:
      repository: where it is.
      digest: the image's.
      held: check -> whether it held.
      policy: what was asked for.
      inputs: what was looked at, each with its digest.
    """
    passed = all(held.values())
    # More than level 1 is said of a builder, and nobody here knows who ran it.
    levels = ["SLSA_BUILD_LEVEL_1", *(level for check, level in _MORE.items() if held.get(check))]
    asked = dump(policy)
    name = repository.rpartition("/")[2]
    resource = PackageURL("oci", None, name, digest, {"repository_url": repository})
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": repository, "digest": {"sha256": digest.partition(":")[2]}}],
        "predicateType": _VSA,
        "predicate": {
            "verifier": {"id": _VERIFIER},
            "timeVerified": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "resourceUri": str(resource.to_string()),
            "policy": {
                "uri": f"{_VERIFIER}:policy:v1",
                "digest": {"sha256": hashlib.sha256(asked).hexdigest()},
                "mediaType": "application/json",
                "content": base64.b64encode(asked).decode(),
            },
            "inputAttestations": list(inputs),
            "verificationResult": "PASSED" if passed else "FAILED",
            "verifiedLevels": levels if passed else ["FAILED"],
            "slsaVersion": "1.1",
        },
    }
