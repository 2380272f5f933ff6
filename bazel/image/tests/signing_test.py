"""Signed images: what is checked, what is refused, and that cosign's files are ours."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bazel.image.attest import signing
from bazel.image.base.processes import UserError
from bazel.image.oci.artifacts import BUNDLE, SPDX, Layout, read, referrers_tag
from bazel.image.oci.layout import Image, Json
from bazel.image.run import runtime
from bazel.image.tests.users import HERE, SMALL, environment, program, push_beside

DIGEST = Image(SMALL).digest
# Made by cosign 2.5: a key for this test alone, its passphrase, and what it signed with it.
COSIGN = HERE / "cosign"
PASSPHRASE = b"hunter2"
REPOSITORY = "localhost:5990/t/small"
SIGNED = "sha256:3f7a93d077a5a4cbccea786b2525ebd73f9c40034f9b62f56cd22fa6a98eee4c"
SIGNATURE = (
    "MEUCIDID9MYKlEg39H3+aYUsQTVqa0INKRIWVBdrwFeGkb7aAiEAiTXm1syjhwef"
    "klbIMaxMJGj/swhOe/2De1VOGWCfYZE="
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two keys, mine and other."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        made = keygen(name, user(folder))
        assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def home(tmp_path: Path, keys: Path) -> dict[str, str]:
    """The environment of a user who has the keys and stands where they are."""
    for key in keys.iterdir():
        shutil.copy(key, tmp_path)
    return user(tmp_path)


def user(folder: Path) -> dict[str, str]:
    own = {"BUILD_WORKING_DIRECTORY": str(folder), "COSIGN_PASSWORD": "a word"}
    return environment(folder) | own


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with runtime.registry(tmp_path / "registry") as number:
        yield number


def keygen(name: str, env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return program("../attest/keygen", *options, name, env=env)


def push(to: str, env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return program("small_push", "--repository", to, "--tag=v1", *options, env=env)


def verify(reference: str, env: dict[str, str], *options: str) -> list[str]:
    """The lines of the verdict about signatures, and the last one."""
    done = program("verify", *options, reference, env=env)
    lines = done.stdout.splitlines()
    assert (done.returncode == 0) == (lines[-1] == "verified"), done.stdout + done.stderr
    return [line for line in lines if line.startswith("signature")] + lines[-1:]


def skopeo(*words: str) -> None:
    command = [str(runtime.tool("skopeo")), "--insecure-policy", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def copy(source: str, target: str) -> None:
    skopeo(
        *("copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"),
        source,
        target,
    )


def signatures(to: str, digest: str = DIGEST) -> str:
    return f"docker://{to}:{referrers_tag(digest)}.sig"


GOOD = [
    "signature  of the image: by mine.pub",
    "signature  of what is beside it: by mine.pub",
    "verified",
]


def test_a_signed_image_is_verified_with_the_key(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    pushed = push(to, home, "--sign-key=mine.key")
    assert pushed.returncode == 0, pushed.stderr
    assert f"signed   by mine.key, the image and what is beside it: {to}:sha256-" in pushed.stdout
    assert verify(f"{to}:v1", home, "--key=mine.pub") == GOOD
    assert verify(f"{to}@{DIGEST}", home, "--key=mine.pub", "--deep") == GOOD
    assert verify(f"{to}:v1", home) == [
        "signature  of the image: not checked (--key NAME.pub does)",
        "signature  of what is beside it: not checked (--key NAME.pub does)",
        "verified",
    ]


def test_in_the_embedded_registry(home: dict[str, str]) -> None:
    assert program("small_push", "--sign-key=mine.key", env=home).returncode == 0
    verified = program("verify", "--key=mine.pub", env=home)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert GOOD[0] in verified.stdout.splitlines()


def test_each_of_several_keys_counts(home: dict[str, str], port: int, tmp_path: Path) -> None:
    to = f"localhost:{port}/team/name"
    for key in ("mine", "other", "mine"):
        assert push(to, home, f"--sign-key={key}.key").returncode == 0
    for key in ("mine", "other"):
        assert verify(f"{to}:v1", home, f"--key={key}.pub")[-1] == "verified"
    copy(signatures(to), f"oci:{tmp_path}/signatures")
    assert len(Image(tmp_path / "signatures").layers) == 2
    # A push without a key leaves them as well.
    assert push(to, home).returncode == 0
    for key in ("mine", "other"):
        assert verify(f"{to}:v1", home, f"--key={key}.pub")[-1] == "verified"
    assert len(bundles(to, tmp_path / "beside")) == 2


def bundles(to: str, folder: Path) -> list[Json]:
    """The signatures among what refers to the image."""
    skopeo(
        *("copy", "--all", "--quiet", "--src-tls-verify=false"),
        f"docker://{to}:{referrers_tag(DIGEST)}",
        f"oci:{folder}",
    )
    return list(read(Image(folder), DIGEST).get(BUNDLE, []))


def test_a_bundle_is_a_signature(home: dict[str, str], port: int, tmp_path: Path) -> None:
    """It is what cosign 3 writes and looks for; a mirror may have no more."""
    to, mirror = (f"localhost:{port}/team/{name}" for name in ("name", "mirror"))
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    (bundle,) = bundles(to, tmp_path / "beside")
    layout = Image(tmp_path / "beside")
    entries = layout.json(layout.digest)["manifests"]
    (manifest,) = [m for m in map(layout.json, digests(entries)) if m["artifactType"] == BUNDLE]
    assert manifest["subject"]["digest"] == DIGEST
    assert manifest["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
    }
    public = signing.read_public_key(tmp_path / "mine.pub")
    assert signing.trouble(None, DIGEST, public, [bundle]) == ""
    push_signed(mirror, tmp_path / "beside")
    verified = verify(f"{mirror}@{DIGEST}", home, "--key=mine.pub")
    assert verified[:2] == [
        "signature  of the image: by mine.pub",
        "signature  of what is beside it: not by mine.pub: there is none",
    ]


def digests(entries: list[Json]) -> list[str]:
    return [str(entry["digest"]) for entry in entries]


def push_signed(to: str, beside: Path) -> None:
    """The image and what refers to it, without the tags of signatures."""
    copy(f"oci:{SMALL}", f"docker://{to}:v1")
    target = f"docker://{to}:{referrers_tag(DIGEST)}"
    skopeo("copy", "--all", "--quiet", "--dest-tls-verify=false", f"oci:{beside}", target)


def test_other_bundles_are_refused(keys: Path) -> None:
    key = signing.read_private_key(keys / "mine.key", b"a word")
    public, other = (signing.read_public_key(keys / f"{name}.pub") for name in ("mine", "other"))
    good = signing.bundle(key, DIGEST)
    forged = signing.bundle(key, SIGNED)
    forged["dsseEnvelope"]["payload"] = good["dsseEnvelope"]["payload"]
    retyped = copy_of(good)
    retyped["dsseEnvelope"]["payloadType"] = "text/plain"
    empty = copy_of(good)
    empty["dsseEnvelope"]["signatures"] = []
    for key_, bundle, why in (
        (public, good, ""),
        (other, good, "one is of another key or of other bytes"),
        (public, signing.bundle(key, SIGNED), f"one is of {SIGNED}"),
        (public, forged, "one is of another key or of other bytes"),
        (public, retyped, "one is of another key or of other bytes"),
        (public, empty, "one is damaged"),
        (public, {"messageSignature": {}}, "one is damaged"),
        (public, [], "one is damaged"),
    ):
        assert signing.trouble(None, DIGEST, key_, [bundle]) == why


def copy_of(value: Json) -> Json:
    copied: Json = json.loads(json.dumps(value))
    return copied


def test_another_key_is_refused(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    assert verify(f"{to}:v1", home, "--key=other.pub") == [
        f"signature  of {what}: not by other.pub: one is of another key or of other bytes"
        for what in ("the image", "what is beside it")
    ] + ["NOT verified: see above"]


def test_an_image_without_a_signature_is_refused(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home).returncode == 0
    first, *_, last = verify(f"{to}:v1", home, "--key=mine.pub")
    assert first == "signature  of the image: not by mine.pub: there is none"
    assert last == "NOT verified: see above"


def test_a_tampered_signature_is_refused(home: dict[str, str], port: int, tmp_path: Path) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    copy(signatures(to), f"oci:{tmp_path}/signatures")
    image = Image(tmp_path / "signatures")
    (layer,) = image.layers
    claim = image.blob(layer["digest"]).read_bytes().replace(b'"optional":null', b'"optional":{}')
    forged = Layout(tmp_path / "forged")
    layers = [forged.blob(layer["mediaType"], claim) | {"annotations": layer["annotations"]}]
    config = forged.json(image.manifest["config"]["mediaType"], image.config)
    manifest = image.manifest | {"config": config, "layers": layers}
    forged.finish(forged.json(manifest["mediaType"], manifest))
    copy(f"oci:{tmp_path}/forged", signatures(to))
    push_beside(to, lambda told: None)  # without bundles
    first = verify(f"{to}:v1", home, "--key=mine.pub")[0]
    assert first.endswith("not by mine.pub: one is of another key or of other bytes")


def test_the_signature_of_another_image_is_refused(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    beside = Image(HERE / "small_referrers").digest
    copy(signatures(to, beside), signatures(to))
    push_beside(to, lambda told: None)  # without bundles
    first = verify(f"{to}:v1", home, "--key=mine.pub")[0]
    assert first.endswith(f"not by mine.pub: one is of {beside}")


def test_other_bills_beside_a_signed_image_are_refused(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    push_beside(to, lambda told: told[SPDX].update(comment="all is well"))
    assert verify(f"{to}:v1", home, "--key=mine.pub") == [
        GOOD[0],
        "signature  of what is beside it: not by mine.pub: there is none",
        "NOT verified: see above",
    ]


def test_another_image_under_the_tag_is_refused(home: dict[str, str], port: int) -> None:
    to = f"localhost:{port}/team/name"
    assert push(to, home, "--sign-key=mine.key").returncode == 0
    command = [str(HERE / "push_index_push.sh"), "--repository", to, "--tag", "v1"]
    subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)
    first, *_, last = verify(f"{to}:v1", home, "--key=mine.pub")
    assert first == "signature  of the index: not by mine.pub: there is none"
    assert last == "NOT verified: see above"
    assert verify(f"{to}@{DIGEST}", home, "--key=mine.pub") == GOOD


def test_a_wrong_passphrase_pushes_nothing(home: dict[str, str], port: int, tmp_path: Path) -> None:
    to = f"localhost:{port}/team/name"
    (tmp_path / "word").write_text("another word\n")
    refused = push(to, home, "--sign-key=mine.key", "--sign-passphrase-file=word")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"paddle_images: the passphrase of {tmp_path}/mine.key is another one\n"
    )
    del home["COSIGN_PASSWORD"]
    unknown = push(to, home, "--sign-key=mine.key")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "set COSIGN_PASSWORD, or name a file" in unknown.stderr
    public = push(to, home | {"COSIGN_PASSWORD": ""}, "--sign-key=mine.pub")
    assert (public.returncode, public.stdout) == (1, "")
    assert "mine.pub is no private key of cosign" in public.stderr
    assert not list((tmp_path / "registry").glob("**/repositories/*"))


def test_keys_are_the_owners_and_stay(home: dict[str, str], tmp_path: Path) -> None:
    private, public = tmp_path / "mine.key", tmp_path / "mine.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes(), public.read_bytes()
    again = keygen("mine", home)
    assert again.returncode == 1
    assert again.stderr == (
        f"paddle_images: {private} is there already and stays: take another name\n"
    )
    assert (private.read_bytes(), public.read_bytes()) == before
    (tmp_path / "word").write_text("a word in a file\n")
    del home["COSIGN_PASSWORD"]
    assert keygen("third", home, "--passphrase-file=word").returncode == 0
    signing.read_private_key(tmp_path / "third.key", b"a word in a file")


def test_keys_of_cosign_are_read(tmp_path: Path) -> None:
    key = signing.read_private_key(COSIGN / "test.key", PASSPHRASE)
    public = signing.read_public_key(COSIGN / "test.pub")
    assert key.public_key() == public
    old = tmp_path / "old.key"
    old.write_bytes((COSIGN / "test.key").read_bytes().replace(b"SIGSTORE", b"COSIGN"))
    assert signing.read_private_key(old, PASSPHRASE).public_key() == public
    with pytest.raises(UserError, match=r"the passphrase of .*test\.key is another one"):
        signing.read_private_key(COSIGN / "test.key", b"")


def test_signatures_of_cosign_are_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "signatures")
    claim = layout.blob("application/json", signing.payload(REPOSITORY, SIGNED))
    claim["annotations"] = {"dev.cosignproject.cosign/signature": SIGNATURE}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    layout.finish(layout.json(media_type, {"layers": [claim]}))
    image, public = Image(tmp_path / "signatures"), signing.read_public_key(COSIGN / "test.pub")
    assert signing.trouble(image, SIGNED, public) == ""
    assert signing.trouble(image, DIGEST.replace("sha256:", "sha256:0"), public) == (
        f"one is of {SIGNED}"
    )
