"""The peer: buildah and Dockerfiles on a base that debootstrap makes, all from locked packages.

The programs run in a box, a root of bubblewrap that has their Debian packages and the folder of the
benchmark, so nothing of this machine's containers is seen or touched.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bazel.image.base import processes
from bazel.image.base.processes import UserError
from bazel.image.run import sandbox

_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'
_PIP = "[global]\nindex-url = {mirror}/simple\ntrusted-host = 127.0.0.1\n"


def _box(root: Path, binds: Sequence[Path | str], words: Sequence[Path | str]) -> list[str]:
    """The command that runs `words` with the programs of a root."""
    command: list[Path | str] = [
        Path(os.environ["BWRAP"]).absolute(),
        "--cap-add",
        "ALL",
        "--die-with-parent",
    ]
    command += ["--unshare-pid", "--proc", "/proc", "--dev-bind", "/dev", "/dev"]
    command += ["--bind", "/sys", "/sys", "--tmpfs", "/run", "--tmpfs", "/tmp"]
    command += sandbox.system(root)
    return [str(word) for word in [*command, *binds, "--", *words]]


def run(
    side: str, command: list[str], log: Path, env: Mapping[str, str], cwd: Path | None = None
) -> None:
    """Runs a command of one side; what it says goes to the end of a log."""
    with log.open("ab") as output:
        process = processes.start(command, cwd=cwd, env=env, stdout=output, stderr=output)
        try:
            code = process.wait()
        finally:
            processes.stop(process)
    if code:
        last = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise UserError(f"{side} side failed ({code}); {log} says:\n  " + "\n  ".join(last))


def _run(command: list[str], log: Path) -> None:
    env = {"HOME": "/tmp", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    run("buildah's", command, log, env)


@dataclass
class Buildah:
    """buildah with a storage of its own, and the base image."""

    folder: Path
    mirror: str

    def __post_init__(self) -> None:
        for name in ("etc", "var/tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/policy.json").write_text(_POLICY)
        (self.folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        self.driver = "overlay"

    def make_base(self) -> None:
        """Debian bookworm as debootstrap makes it, with the mirrors of the site set."""
        archive, root = self.folder / "base.tar", self.folder / "base"
        mark = self.folder / "base.mirror"
        if archive.exists() and mark.read_text() == self.mirror:
            return
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        programs = Path(os.environ["DEBOOTSTRAP_ROOT"]).resolve()
        words = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm"]
        binds: list[Path | str] = ["--dev-bind", root, root, "--bind", self.folder / "var", "/var"]
        _run(_box(programs, binds, [*words, root, f"{self.mirror}/debian"]), self.folder / "log")
        (root / "etc/pip.conf").write_text(_PIP.format(mirror=self.mirror))
        with tarfile.open(archive, "w") as out:
            out.add(root, ".")
        shutil.rmtree(root)
        mark.write_text(self.mirror)

    def reset(self) -> None:
        """Empties the storage but for the base."""
        for name in ("storage", "run", "var/lib"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        context = self.folder / "base.context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        os.link(self.folder / "base.tar", context / "base.tar")
        try:
            self._buildah("bud", "--tag", "localhost/base", context)
        except UserError:
            if self.driver == "vfs":
                raise
            # Overlays cannot lie on an overlay, as this machine's disk may be one.
            self.driver = "vfs"
            self.reset()

    def build_and_push(self, name: str, context: Path, reference: str) -> str:
        """Builds a context with its Dockerfile and pushes; gives the digest."""
        image = f"localhost/{name}"
        self._buildah("bud", "--layers", "--isolation=chroot", "--tag", image, context)
        digest = self.folder / f"{name}.digest"
        self._buildah("push", "--tls-verify=false", f"--digestfile={digest}", image, reference)
        return digest.read_text().strip()

    def _buildah(self, *words: str | Path) -> None:
        root = Path(os.environ["CONTAINERS_ROOT"]).resolve()
        binds: list[Path | str] = ["--dev-bind", self.folder, self.folder]
        binds += ["--bind", self.folder / "var", "/var"]
        binds += ["--ro-bind", self.folder / "etc", "/etc/containers"]
        for name in ("hosts", "passwd"):
            binds += ["--ro-bind", self.folder / "etc" / name, f"/etc/{name}"]
        storage = [f"--root={self.folder}/storage", f"--runroot={self.folder}/run"]
        command = ["buildah", *storage, f"--storage-driver={self.driver}", *words]
        _run(_box(root, binds, command), self.folder / "log")
