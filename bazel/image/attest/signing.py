"""Signs images with a key and checks signatures, in cosign's formats.

A signature, ECDSA P-256 with SHA-256, lies in the image's repository twice. cosign 1 and 2 look
for the tag sha256-HEX.sig, an artifact: a layer is a payload that names the digest ("simple
signing"), its annotation the signature of those bytes. cosign 3 looks for a referrer of the image,
a bundle: a DSSE envelope with an in-toto statement that names the digest, and a hint at the key. A
private key is PKCS #8, encrypted by NaCl's secretbox with what scrypt makes of a passphrase.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
https://github.com/secure-systems-lab/go-securesystemslib/tree/main/encrypted

skopeo can sign so too, but not Debian's ("Debian-local change: sigstore disabled").
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from bazel.image.base.processes import UserError
from bazel.image.oci import artifacts
from bazel.image.oci.artifacts import BUNDLE, IN_TOTO, Layout, referrers_tag
from bazel.image.oci.layout import Image, Json
from bazel.oci.layout import OCI_INDEX, OCI_MANIFEST, dump

_ECDSA = ec.ECDSA(hashes.SHA256())
_CONFIG = "application/vnd.oci.image.config.v1+json"
_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_TYPE = "cosign container image signature"
_SIGN = "https://sigstore.dev/cosign/sign/v1"
# cosign 1 writes the first, later ones write the second and read both.
_PEM = re.compile(
    rb"-----BEGIN ENCRYPTED (?:COSIGN|SIGSTORE) PRIVATE KEY-----(.*)-----END ENCRYPTED ", re.DOTALL
)
_SCRYPT = {"N": 32768, "r": 8, "p": 1}  # what every cosign reads
_SCRYPT_BYTES = 256 << 20  # what it may take: N * r * 128, and somewhat more


def signature_tag(digest: str) -> str:
    """Where the signatures of a digest are."""
    return f"{referrers_tag(digest)}.sig"


# Keys


def passphrase(option: str, file: Path | None, twice: bool = False) -> bytes:
    """The passphrase of a key: of a file, of $COSIGN_PASSWORD, or of who sits at the terminal.

    Args:
        option: the one that names a file.
        file: what it names.
        twice: whether to have it typed twice.
    """
    if file:
        return file.read_bytes().removesuffix(b"\n")
    if (known := os.environ.get("COSIGN_PASSWORD")) is not None:
        return known.encode()
    if not sys.stdin.isatty():
        raise UserError(
            "the key needs a passphrase: set COSIGN_PASSWORD, or name a file that holds it, "
            f"as in `-- {option} FILE`"
        )
    typed = getpass.getpass("passphrase of the key: ")
    if twice and getpass.getpass("once more: ") != typed:
        raise UserError("the two passphrases differ: nothing was written")
    return typed.encode()


def _scrypt(word: bytes, salt: bytes, params: dict[str, int]) -> bytes:
    cost = {"n": params["N"], "r": params["r"], "p": params["p"]}
    return hashlib.scrypt(word, salt=salt, dklen=SecretBox.KEY_SIZE, maxmem=_SCRYPT_BYTES, **cost)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def make_key(word: bytes) -> tuple[bytes, bytes]:
    """A new key: the private half, encrypted with a passphrase, and the public one, as PEM."""
    key, salt = ec.generate_private_key(ec.SECP256R1()), os.urandom(32)
    plain = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    box = SecretBox(_scrypt(word, salt, _SCRYPT)).encrypt(plain)
    envelope = {
        "kdf": {"name": "scrypt", "params": _SCRYPT, "salt": _base64(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _base64(box.nonce)},
        "ciphertext": _base64(box.ciphertext),
    }
    text = _base64(json.dumps(envelope).encode())
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    label = "ENCRYPTED SIGSTORE PRIVATE KEY"
    private = "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.encode(), public


def read_private_key(file: Path, word: bytes) -> ec.EllipticCurvePrivateKey:
    """A private key as make_key and cosign write it."""
    try:
        found = _PEM.search(file.read_bytes())
        envelope = json.loads(base64.b64decode(found[1])) if found else {}
        kdf, cipher = envelope["kdf"], envelope["cipher"]
        secret = _scrypt(word, base64.b64decode(kdf["salt"]), kdf["params"])
        box = base64.b64decode(cipher["nonce"]) + base64.b64decode(envelope["ciphertext"])
        plain = SecretBox(secret).decrypt(box)
        key = serialization.load_der_private_key(plain, None)
    except CryptoError as error:
        raise UserError(f"the passphrase of {file} is another one") from error
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UserError(
            f"{file} is no private key of cosign: `./bazelw run //images:keygen -- NAME` makes one"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError(f"{file} is no elliptic curve key, which is what signs here")
    return key


def read_public_key(file: Path) -> ec.EllipticCurvePublicKey:
    """A public key, PEM."""
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{file} is no public key (PEM): {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UserError(f"{file} is no elliptic curve key, which is what signs here")
    return key


# Signatures


def payload(repository: str, digest: str) -> bytes:
    """What is signed: that an image, under a name, has a digest."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest},
        "type": _TYPE,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def trouble(
    signatures: Image | None,
    digest: str,
    key: ec.EllipticCurvePublicKey,
    bundles: Sequence[Any] = (),
) -> str:
    """Why nothing says by this key that an image has this digest, or nothing.

    Args:
      signatures: those of the tag, if there is one.
      digest: the image's.
      key: whose signature is looked for.
      bundles: those among what refers to the image.
    """
    said = []
    known: list[Callable[[ec.EllipticCurvePublicKey], str]] = []
    if signatures:
        known += [partial(_signed_by_tag, signatures, layer) for layer in signatures.layers]
    known += [partial(_signed_by_bundle, bundle) for bundle in bundles]
    for signed_by in known:
        try:
            signed = signed_by(key)
            if signed == digest:
                return ""
            said.append(f"one is of {signed}")
        except InvalidSignature:
            said.append("one is of another key or of other bytes")
        except (AttributeError, LookupError, TypeError, ValueError):
            said.append("one is damaged")
    return "; ".join(sorted(set(said))) or "there is none"


def _signed_by_tag(signatures: Image, layer: Json, key: ec.EllipticCurvePublicKey) -> str:
    """The digest that a layer of a signature's tag is about."""
    claim = signatures.json(layer["digest"])["critical"]
    signature = base64.b64decode(layer["annotations"][_SIGNATURE], validate=True)
    key.verify(signature, signatures.blob(layer["digest"]).read_bytes(), _ECDSA)
    if claim["type"] != _TYPE:
        raise ValueError(claim["type"])
    return str(claim["image"]["docker-manifest-digest"])


def _signed_by_bundle(bundle: Any, key: ec.EllipticCurvePublicKey) -> str:
    """The digest that a bundle is about."""
    envelope = bundle["dsseEnvelope"]
    data = base64.b64decode(envelope["payload"], validate=True)
    (signature,) = envelope["signatures"]
    signed = base64.b64decode(signature["sig"], validate=True)
    key.verify(signed, _dsse(envelope["payloadType"], data), _ECDSA)
    statement = json.loads(data)
    (subject,) = statement["subject"]
    if envelope["payloadType"] != IN_TOTO or statement["predicateType"] != _SIGN:
        raise ValueError(statement["predicateType"])
    return f"sha256:{subject['digest']['sha256']}"


def _dsse(payload_type: str, data: bytes) -> bytes:
    """The bytes that are signed of an envelope: the pre-authentication encoding of DSSE v1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(data), data)


def bundle(key: ec.EllipticCurvePrivateKey, digest: str) -> Json:
    """A signature of an image, as cosign 3 writes it without a transparency log."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": digest.partition(":")[2]}}],
        "predicateType": _SIGN,
        "predicate": {},
    }
    data = dump(statement)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": _base64(hashlib.sha256(public).digest())}},
        "dsseEnvelope": {
            "payload": _base64(data),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": _base64(key.sign(_dsse(IN_TOTO, data), _ECDSA))}],
        },
    }


def sign_beside(
    key: ec.EllipticCurvePrivateKey | None,
    image: Image,
    beside: Image,
    known: Image | None,
    out: Path,
) -> Path:
    """Adds bundles to what refers to an image: those known, and one by this key if none is.

    Gives the layout to push: `beside` itself if there is nothing to add, else `out`.

    Args:
      key: what signs, if anything.
      image: what is signed.
      beside: what refers to it, without signatures.
      known: what is in the registry already.
      out: where a layout is written.
    """
    kept = _bundles(known) if known else []
    told = artifacts.read(known, image.digest).get(BUNDLE, []) if known else []
    new = key and trouble(None, image.digest, key.public_key(), told)
    if not kept and not new:
        return beside.layout
    layout, manifests = Layout(out), _entries(beside)
    for entry in manifests:
        layout.copy(beside, entry)
    if known:
        for entry in kept:
            layout.copy(known, entry)
    manifests += kept
    if key and new:
        annotations = {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": _SIGN,
        }
        data = dump(bundle(key, image.digest))
        subject = artifacts.subject_of(image)
        manifests.append(artifacts.artifact(layout, subject, BUNDLE, data, annotations))
    layout.finish(layout.json(OCI_INDEX, artifacts.index_of(manifests)))
    return out


def _entries(layout: Image) -> list[Json]:
    return list(layout.json(layout.digest)["manifests"])


def _bundles(layout: Image) -> list[Json]:
    return [entry for entry in _entries(layout) if artifacts.is_signature(layout, entry)]


def sign(
    key: ec.EllipticCurvePrivateKey, repository: str, digest: str, known: Image | None, out: Path
) -> bool:
    """Writes the signatures of a digest: those known, and one by this key.

    Gives False, and writes nothing, when the key has signed it already.
    """
    if known and not trouble(known, digest, key.public_key()):
        return False
    layout = Layout(out)
    layers: list[Json] = []
    if known:
        layers += known.layers
        for layer in layers:
            layout.blob(layer["mediaType"], known.blob(layer["digest"]).read_bytes())
    data = payload(repository, digest)
    signature = _base64(key.sign(data, _ECDSA))
    layers.append(layout.blob(_PAYLOAD, data) | {"annotations": {_SIGNATURE: signature}})
    config: Json = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.json(_CONFIG, config),
        "layers": layers,
    }
    layout.finish(layout.json(OCI_MANIFEST, manifest))
    return True
