"""Makes a key that signs images: NAME.key, encrypted with a passphrase, and NAME.pub.

    ./bazelw run //images:keygen -- NAME

`-- --sign-key NAME.key` of a push signs with it, `-- --key NAME.pub` of verify checks. cosign
reads both. The passphrase is asked for, or that of $COSIGN_PASSWORD.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bazel.image.attest import signing
from bazel.image.base import processes
from bazel.image.base.processes import UserError


def write(path: Path, data: bytes, mode: int) -> None:
    """Writes a new file; one that is there stays."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="keygen",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    path = processes.user_path
    parser.add_argument("--passphrase-file", type=path, help="file of the passphrase")
    parser.add_argument("name", type=path, metavar="NAME")
    args = parser.parse_args()
    private, public = (args.name.with_name(args.name.name + end) for end in (".key", ".pub"))
    for file in (private, public):
        if file.exists():
            raise UserError(f"{file} is there already and stays: take another name")
    word = signing.passphrase("--passphrase-file", args.passphrase_file, twice=True)
    key, told = signing.make_key(word)
    write(private, key, 0o600)
    write(public, told, 0o644)
    print(f"private  {private}   for `-- --sign-key` of a push: keep it, and its passphrase, safe")
    print(f"public   {public}   for `-- --key` of verify: give it to those who run the images")
    return 0


if __name__ == "__main__":
    processes.run_main(main)
