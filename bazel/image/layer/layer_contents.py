"""What is in one layer: the layer tool tells it while it writes, and so need nobody read it again.

`contents.py` merges those of an image's layers. Its `read` takes the archives themselves, for the
test of an image's bills and for `verify --deep`.
"""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

# The files that say what others are.
_TEXTS = re.compile(
    r"var/lib/dpkg/status\.d/[^/]+|usr/share/doc/[^/]+/copyright|usr/lib/os-release"
    r"|.*\.dist-info/(METADATA|RECORD|sboms/[^/]+\.json)"
    r"|models/([^/]+/)?[^/]+/metadata\.json"
)
_DOC = "usr/share/doc/"


@dataclass
class LayerContents:
    """Paths are those of the archive, without a slash at the end.

    `files` has size in bytes and sha256 of each regular file, `texts` what is in those that
    contents.py understands, `doc_links` the links in /usr/share/doc (packages of one source share
    a folder there), `gone` what the layer removes of those below (whiteouts), `digest` and
    `diff_id` are the layer's own, compressed and not.
    """

    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    doc_links: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    digest: str = ""
    diff_id: str = ""

    def add(self, member: tarfile.TarInfo, sha256: str, text: bytes) -> None:
        """Adds an entry; `text` is asked for of those that `is_text` names."""
        path = member.name.rstrip("/")
        folder, _, name = path.rpartition("/")
        if name == ".wh..wh..opq":
            self.gone.append(folder)  # all that is in it below
        elif name.startswith(".wh."):
            self.gone.append(f"{folder}/{name.removeprefix('.wh.')}".lstrip("/"))
        elif member.issym() and path.startswith(_DOC):
            self.doc_links[path] = _DOC + member.linkname
        elif member.isreg():
            self.files[path] = (member.size, sha256)
            if is_text(path):
                self.texts[path] = text.decode(errors="replace")

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), separators=(",", ":")))


def is_text(path: str) -> bool:
    return _TEXTS.fullmatch(path) is not None


def load(path: Path) -> LayerContents:
    told = LayerContents(**json.loads(path.read_bytes()))
    told.files = {name: (size, sha256) for name, (size, sha256) in told.files.items()}
    return told
