"""Finishes ./site-packages: an unpacked wheel, or what of an unpacked sdist is Python.

usage: install.py [SDIST_FOLDER DIST_INFO]

Of a wheel (PEP 427, "The .data directory") the data schemes move to their places
(`scripts` to bin, `data` to where we are, as `pip install --target` does). Of an
sdist the packages and modules in its top folder are taken, and PKG-INFO and
licences for the metadata by which tools find name and version; setup.py is left
out and never runs.

Both are byte-compiled with hashes in place of times, so that the same archive
gives the same bytes.
"""

import shutil
import sys
from pathlib import Path

from byte_code import compiled  # type: ignore[import-not-found]  # beside this file

SITE = Path("site-packages")


def finish_wheel() -> None:
    for scheme in list(SITE.glob("*.data/*")):
        if scheme.name in ("purelib", "platlib", "data"):
            shutil.copytree(scheme, SITE, dirs_exist_ok=True)
        elif scheme.name == "scripts":
            shutil.copytree(scheme, SITE / "bin", dirs_exist_ok=True)
            for program in (SITE / "bin").iterdir():
                program.chmod(0o755)
    for data in list(SITE.glob("*.data")):
        shutil.rmtree(data)


def take_sdist(folder: Path, dist_info: str) -> None:
    tops = list(folder.iterdir())
    if len(tops) != 1 or not (tops[0] / "PKG-INFO").is_file():
        sys.exit("An sdist holds one folder with PKG-INFO in it (PEP 643); this archive does not.")
    packages = [init.parent for init in tops[0].glob("*/__init__.py")]
    modules = [module for module in tops[0].glob("*.py") if module.name != "setup.py"]
    if not packages and not modules:
        sys.exit(
            "The top folder of this sdist holds no Python package and no module, and its setup.py "
            "is not run. Take the package out of sdists.in and run `./bazelw run //:lock`."
        )
    info = SITE / dist_info
    info.mkdir(parents=True)
    (tops[0] / "PKG-INFO").rename(info / "METADATA")
    for path in (*packages, *modules):
        path.rename(SITE / path.name)
    for pattern in ("LICEN[CS]E*", "COPYING*", "NOTICE*"):
        for path in filter(Path.is_file, tops[0].glob(pattern)):
            path.rename(info / path.name)
    # What belongs to it, as an installer records it; the hashes are made where it is installed.
    files = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*") if path.is_file())
    record = str((info / "RECORD").relative_to(SITE))
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*files, record]))


if len(sys.argv) > 1:
    take_sdist(Path(sys.argv[1]), sys.argv[2])
else:
    finish_wheel()

# Bazel refuses a directory that has a BUILD file of its own in it; packages may.
for build in [p for name in ("BUILD", "BUILD.bazel") for p in SITE.rglob(name) if p.is_file()]:
    build.unlink()

# Some carry files that are no Python 3.11 (templates, old syntax): those stay
# uncompiled, as pip leaves them.
modules = sorted(path for path in SITE.rglob("*.py") if path.is_file())
files = compiled((str(path), path.read_bytes()) for path in modules)
for path, file in zip(modules, files, strict=True):
    if file:
        cache = path.parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"{path.stem}.{sys.implementation.cache_tag}.pyc").write_bytes(file)
