"""Finishes an unpacked wheel in ./site-packages (PEP 427, "The .data directory").

Moves the data schemes to their places (`scripts` to bin, `data` to where we
are, as `pip install --target` does) and byte-compiles, with hashes in place of times, so that the
same wheel gives the same bytes.
"""

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

site = Path("site-packages")
for scheme in list(site.glob("*.data/*")):
    if scheme.name in ("purelib", "platlib", "data"):
        shutil.copytree(scheme, site, dirs_exist_ok=True)
    elif scheme.name == "scripts":
        shutil.copytree(scheme, site / "bin", dirs_exist_ok=True)
        for program in (site / "bin").iterdir():
            program.chmod(0o755)
for data in list(site.glob("*.data")):
    shutil.rmtree(data)

# Bazel refuses a directory that has a BUILD file of its own in it; wheels may.
for build in [p for name in ("BUILD", "BUILD.bazel") for p in site.rglob(name) if p.is_file()]:
    build.unlink()

sys.dont_write_bytecode = False
# Some wheels carry files that are no Python 3.11 (templates, old syntax): those
# stay uncompiled, as pip leaves them.
compileall.compile_dir(
    site,
    quiet=2,
    stripdir=".",
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    workers=0,
)
