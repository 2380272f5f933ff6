"""Finds what the images were: built at another git revision, or told beside a pushed image."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError, say
from bazel.image.oci.artifacts import CYCLONEDX, IN_TOTO
from bazel.image.registry.skopeo import REFERENCE, Skopeo, parse
from bazel.image.report import facts
from bazel.image.report.facts import Facts


def is_reference(text: str) -> bool:
    """Whether it is HOST/NAME@DIGEST or HOST/NAME:TAG; no revision has such a name."""
    return bool(REFERENCE.fullmatch(text))


def pushed(skopeo: Skopeo, reference: str) -> tuple[str, Facts]:
    """The target that a pushed image was built from, and what is told beside the image."""
    matched = parse(reference)
    say(f"reading {reference}")
    data = skopeo.manifest(reference)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if matched["digest"] and digest != matched["digest"]:
        raise UserError(f"{reference}: the registry sent a manifest of digest {digest}")
    try:
        return _told(skopeo, matched["repository"], digest, data)
    except UserError as error:
        raise UserError(
            f"{reference} cannot be compared: {error}. A push by `./bazelw run"
            " //images:NAME_push` takes the bills of materials along."
        ) from error
    # Anybody may have pushed this: it need not be what it should.
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{reference}: what is told beside it is damaged: {error!r}") from error


def _told(skopeo: Skopeo, repository: str, digest: str, data: bytes) -> tuple[str, Facts]:
    manifest = json.loads(data)
    if "layers" not in manifest:
        raise UserError("it is an index of images; give the digest of one of them")
    _, told, _ = skopeo.beside(repository, digest)
    config = skopeo.run(["inspect", "--config", "--raw"], f"{repository}@{digest}")
    target = told[IN_TOTO]["predicate"]["buildDefinition"]["externalParameters"]["target"]
    layers = facts.layers(manifest, json.loads(config))
    sizes = {layer.digest: layer.compressed for layer in layers}
    return str(target), Facts(
        repository.rpartition("/")[2],
        digest,
        layers,
        facts.of_cyclonedx(told[CYCLONEDX]),
        sum(sizes.values()) + int(manifest["config"]["size"]) + len(data),
        None,
    )


def _git(folder: Path, *words: str) -> str:
    try:
        done = processes.run(["git", "-C", folder, *words])
    except FileNotFoundError as error:
        raise UserError("git is not installed: `apt-get install git`") from error
    if done.returncode:
        raise UserError(f"git {words[0]}: {done.stderr.decode().strip().removeprefix('fatal: ')}")
    return done.stdout.decode().strip()


def commit_of(workspace: Path, revision: str) -> str:
    """The full hash of a revision."""
    try:
        return _git(workspace, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except UserError as error:
        raise UserError(
            f"{revision} is neither a revision of {workspace} (`git log --oneline` lists some) nor"
            " a reference, HOST/NAME@sha256:... or HOST/NAME:TAG"
        ) from error


def check_out(workspace: Path, commit: str) -> Path:
    """A worktree of the commit in the user's cache, one for each repository."""
    common = Path(workspace, _git(workspace, "rev-parse", "--git-common-dir")).resolve()
    key = hashlib.sha256(os.fsencode(common)).hexdigest()[:12]
    folder = processes.cache_folder() / "against" / key
    try:
        if there := (folder / ".git").exists():
            _git(folder, "checkout", "--quiet", "--detach", "--force", commit)
    except UserError:  # as of a repository that was deleted, and cloned anew
        there = False
    if not there:
        if folder.exists():
            shutil.rmtree(folder)
        _git(workspace, "worktree", "prune")
        _git(workspace, "worktree", "add", "--quiet", "--detach", "--force", str(folder), commit)
    own, copied = workspace / "user.bazelrc", folder / "user.bazelrc"
    copied.unlink(missing_ok=True)
    if own.exists():  # the user's settings are not of a revision
        copied.write_bytes(own.read_bytes())
    return folder


def _bazel(folder: Path, *words: str) -> str:
    """Runs the checkout's own Bazel; its progress goes where ours goes."""
    # It ends soon by itself: it is another server, of another workspace.
    command = ["./bazelw", "--max_idle_secs=60", *words]
    done = processes.run(command, cwd=folder, stderr=None)
    if done.returncode:
        raise UserError(f"`{' '.join(command)}` failed in {folder}; its last lines above say why")
    return done.stdout.decode()


def built(
    workspace: Path, revision: str, targets: Sequence[str], patched: bool
) -> dict[str, Facts]:
    """The images of another revision, built there; those of `targets` that it has.

    With that revision's security updates, where `patched` and it has them.
    """
    commit = commit_of(workspace, revision)
    lock = processes.cache_folder() / "against.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another report's checkout
        folder = check_out(workspace, commit)
        say(f"building the images of {revision} ({commit[:12]}) in {folder}")
        packages = sorted({target.partition(":")[0] for target in targets})
        query = " + ".join(f'kind("image_sbom rule", {package}:all)' for package in packages)
        labels = _bazel(folder, "query", "--noshow_progress", "--keep_going", query).split()
        there = [target for target in targets if f"{target}_sbom" in labels]
        if not there:
            raise UserError(
                f"{revision} ({commit[:12]}) builds no bills of materials of {', '.join(targets)}:"
                " take a later revision"
            )
        has = patched and "build:patched " in (folder / ".bazelrc").read_text("utf-8")
        config = ["--config=patched"] * has
        _bazel(folder, "build", *config, *there, *(f"{target}_sbom" for target in there))
        found = {}
        for target in there:
            package, _, name = target.removeprefix("//").partition(":")
            outputs = folder / "bazel-bin" / package
            found[target] = facts.of_layout(name, outputs / name, outputs / f"{name}_sbom")
        return found
