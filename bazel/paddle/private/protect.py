"""Makes a shared library use its own functions of some names: protect.py LIBRARY OUTPUT TEXT.

Those whose mangled name has TEXT become protected (STV_PROTECTED): others still find them, while
the library itself looks them up nowhere else, whatever the program or another library has of that
name.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_ST_OTHER = 5  # its place in an Elf64_Sym
_VISIBILITY, _PROTECTED = 3, 3


def rewrite(library: Path, out: Path, text: str) -> int:
    """Writes the library; gives how many functions are protected now."""
    shutil.copyfile(library, out)
    count = 0
    with out.open("r+b") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection), f"{library} has no .dynsym"
        places = [
            table["sh_offset"] + index * table["sh_entsize"] + _ST_OTHER
            for index, symbol in enumerate(table.iter_symbols())
            if text in symbol.name and symbol["st_shndx"] != "SHN_UNDEF"
        ]
        for place in places:
            file.seek(place)
            other = file.read(1)[0]
            file.seek(place)
            file.write(bytes([(other & ~_VISIBILITY) | _PROTECTED]))
            count += 1
    return count


def main() -> None:
    library, out, text = sys.argv[1:]
    if not rewrite(Path(library), Path(out), text):
        sys.exit(f"{library} has no {text} of its own: adapt //bazel/platforms:paddle.bzl")


if __name__ == "__main__":
    main()
