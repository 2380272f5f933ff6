"""Builds all models and images twice, as two sites would, and compares every digest.

The two builds differ in path, output base, HOME, time zone, locale, umask and
number of jobs; the second one cannot see the host's compilers, headers and
Python. They share downloads, which are checked by sha256, and nothing else.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from bazel.image.base import processes
from bazel.image.oci.layout import Image

# What a host may have and no build may need.
HOST_TOOLCHAINS = (
    *("/usr/include", "/usr/lib/gcc", "/usr/local/include", "/usr/bin/gcc", "/usr/bin/cc"),
    *("/usr/bin/g++", "/usr/bin/c++", "/usr/bin/ld", "/usr/bin/as", "/usr/bin/protoc"),
    *("/usr/bin/python3", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/local/lib/python3"),
)

# Not those that `//...` leaves out: models whose training takes a quarter of an hour, which have
# short ones beside them, and the images for GPUs with gigabytes of libraries.
TARGETS = (
    'kind("^(oci_image|oci_image_index|_paddle_model_rule) rule$", //images/... + //python/...)'
    ' except attr(tags, "manual", //images/... + //python/...)'
)
GPU_TARGETS = 'attr(tags, "manual", kind("^oci_image rule$", //images/...))'


@dataclass
class Site:
    """One of the two places that build."""

    name: str
    folder: str
    env: dict[str, str]
    umask: int
    jobs: int
    flags: list[str] = field(default_factory=list)


SITES = (
    Site("here", "here", {"TZ": "UTC", "LC_ALL": "C.UTF-8", "USER": "one"}, 0o022, 2),
    Site(
        "there",
        "there/under/a-rather-longer-path",
        {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "USER": "another"},
        0o077,
        1,
        [f"--sandbox_block_path={path}" for path in HOST_TOOLCHAINS if Path(path).exists()],
    ),
)


def copy_checkout(source: Path, target: Path) -> None:
    """Copies what git tracks or would track, with modes as the umask has them."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        check=True,
        capture_output=True,
    ).stdout
    for name in names.decode().split("\0"):
        if name and (source / name).is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, copy)
            if os.access(source / name, os.X_OK):
                copy.chmod(copy.stat().st_mode | 0o100)


def revision(source: Path) -> str:
    """The commit of a checkout, as images name it."""
    told = subprocess.run(
        ["sh", "bazel/status.sh"], cwd=source, check=True, capture_output=True, text=True
    ).stdout
    return told.removeprefix("STABLE_REVISION ").strip()


def build(site: Site, source: Path, base: Path, cache: Path, targets: str) -> dict[str, Path]:
    """Builds all targets of a query; returns label -> output folder."""
    folder = base / site.folder
    checkout, home = folder / "checkout", folder / "home"
    old_umask = os.umask(site.umask)
    try:
        home.mkdir(parents=True)
        copy_checkout(source, checkout)
    finally:
        os.umask(old_umask)
    user_home = Path.home()
    env = {
        # The user's mirrors and Bazel's download are the site's, not the build's.
        "NPM_CONFIG_USERCONFIG": str(user_home / ".npmrc"),
        "PADDLE_IMAGES_CACHE": str(cache),
        "XDG_CONFIG_HOME": str(user_home / ".config"),
        # Copies have no git; with the commit they give the digests that the checkout gives.
        "PADDLE_IMAGES_REVISION": revision(source),
        **os.environ,
        **site.env,
        "HOME": str(home),
    }
    bazel = ["./bazelw", f"--output_base={folder}/output_base", "--max_idle_secs=60"]
    flags = [f"--repository_cache={cache}/repositories", "--disk_cache=", "--color=no"]

    def run(*command: str) -> str:
        return subprocess.run(
            [*bazel, *command],
            cwd=checkout,
            env=env,
            umask=site.umask,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    try:
        labels = run("query", *flags, "--noshow_progress", targets).split()
        print(f"{site.name}: building {len(labels)} targets in {folder}", file=sys.stderr)
        run("build", *flags, f"--jobs={site.jobs}", *site.flags, *labels)
        listing = run(
            "cquery",
            *(*flags, *site.flags, "--noshow_progress", "--output=starlark"),
            "--starlark:expr=str(target.label) + ' ' + target.files.to_list()[0].path",
            f"set({' '.join(labels)})",
        )
    finally:
        subprocess.run([*bazel, "shutdown"], cwd=checkout, env=env, check=False)
    execroot = folder / "output_base/execroot/_main"
    outputs = dict(line.split(" ") for line in listing.splitlines())
    return {label.lstrip("@"): execroot / path for label, path in sorted(outputs.items())}


def digest(output: Path) -> str:
    """The image's digest, or for a model the digest of its files' names and bytes."""
    if (output / "index.json").exists():
        return Image(output).digest
    files = sorted(path for path in output.rglob("*") if path.is_file())
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(output)}\0".encode() + path.read_bytes())
    return f"sha256:{total.hexdigest()}"


def members(blob: Path) -> dict[str, bytes]:
    """Name -> header and digest of each member of a layer's tar."""
    found = {}
    with tarfile.open(blob) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            content = hashlib.sha256(file.read()).digest() if file else b""
            found[member.name] = member.tobuf() + content
    return found


def first_difference(here: Path, there: Path) -> str:
    """Names the first file that differs between two outputs."""
    if not (here / "index.json").exists():
        names = {p.relative_to(o) for o in (here, there) for p in o.rglob("*") if p.is_file()}
        for name in sorted(names):
            if not ((here / name).exists() and (there / name).exists()):
                return f"{name} exists on one side only"
            if (here / name).read_bytes() != (there / name).read_bytes():
                return str(name)

    one, two = Image(here), Image(there)
    for number, layers in enumerate(zip(one.layers, two.layers, strict=False)):
        a, b = (layer["digest"] for layer in layers)
        if a != b:
            mine, theirs = members(one.blob(a)), members(two.blob(b))
            for path in sorted(mine.keys() | theirs.keys()):
                if mine.get(path) != theirs.get(path):
                    return f"layer {number}, /{path}"
            return f"layer {number}, compression or order of members"
    return "the image's configuration"


def main() -> int:
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep both builds for a look at them")
    parser.add_argument(
        "--gpu", action="store_true", help="the images for GPUs, which take 30 GB of disk meanwhile"
    )
    arguments = parser.parse_args()
    targets = GPU_TARGETS if arguments.gpu else TARGETS

    source = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    cache = processes.cache_folder()
    base = cache / "reproduce"

    def clean() -> None:
        if base.exists():
            # Bazel's output bases have read-only folders.
            subprocess.run(["chmod", "-R", "u+w", base], check=True)
            shutil.rmtree(base)

    clean()
    try:
        here, there = (build(site, source, base, cache, targets) for site in SITES)
    except subprocess.CalledProcessError as error:
        print(f"reproduce: a build failed (exit code {error.returncode}); see above.")
        print(f"Its files are in {base}.")
        return 1

    width = max(len(label) for label in here)
    print(f"{'target':{width}}  {'here':19}  {'there':19}")
    different = []
    for label in here:
        mine, theirs = digest(here[label]), digest(there[label])
        verdict = "equal" if mine == theirs else "DIFFERENT"
        print(f"{label:{width}}  {mine[:19]}  {theirs[:19]}  {verdict}")
        if mine != theirs:
            different.append(label)
    for label in different:
        print(f"{label}: first difference: {first_difference(here[label], there[label])}")
    if different:
        print(f"Both builds are kept in {base}.")
    elif not arguments.keep:
        clean()
    return 1 if different else 0


if __name__ == "__main__":
    processes.run_main(main)
