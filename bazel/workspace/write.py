"""Writes ./bazelw and its settings into a workspace that depends on paddle_images.

    bazel run @paddle_images//bazel/workspace:write          # in the workspace
    python3 PADDLE_IMAGES/bazel/workspace/write.py FOLDER    # where there is no Bazel yet

Run it again after another version of paddle_images stands in MODULE.bazel. All that it writes
belongs into the workspace's own version control. Standard library only, Python 3.9.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_SOURCE = Path(__file__).absolute().parents[2]
_TOOLS = "tools/paddle_images"

# Path in the workspace -> file here. Rewritten by each run.
_OURS = {
    "bazelw": "bazelw",
    "tools/bazel": "tools/bazel",
    f"{_TOOLS}/bazelrc": "bazel/workspace/bazelrc",
    f"{_TOOLS}/start.py": "bazel/workspace/start.py",
    f"{_TOOLS}/status.sh": "bazel/status.sh",
}
# By what a file at a place that others use as well is known to be ours.
_MARKS = {"bazelw": "paddle_images", "tools/bazel": "/../bazelw"}
# Written where there is none.
_THEIRS = {".bazeliskrc": ".bazeliskrc", ".bazelversion": ".bazelversion"}
_IMPORT = f"import %workspace%/{_TOOLS}/bazelrc\n"

# What ./bazelw of paddle_images says of itself, and what that is elsewhere.
_MOVED = {
    '"$here/bazel/launcher/launcher.py"': f'"$here/{_TOOLS}/start.py"',
    "bazel/launcher/ holds the rest.": f"{_TOOLS}/start.py finds the rest.",
}


class WriteError(Exception):
    """Why nothing was written, and the command that mends it."""


def write(workspace: Path) -> list[str]:
    """Writes all files; gives the paths of those that changed."""
    texts = {path: (_SOURCE / source).read_text("utf-8") for path, source in _OURS.items()}
    for ours, elsewhere in _MOVED.items():
        texts["bazelw"] = texts["bazelw"].replace(ours, elsewhere)
    for path, mark in _MARKS.items():
        file = workspace / path
        if file.exists() and mark not in file.read_text("utf-8"):
            raise WriteError(f"{file} is somebody else's. Move it: `mv {file} {file}.old`.")
    for path, source in _THEIRS.items():
        if not (workspace / path).exists():
            texts[path] = (_SOURCE / source).read_text("utf-8")
    rc = workspace / ".bazelrc"
    known = rc.read_text("utf-8") if rc.exists() else ""
    if _IMPORT.strip() not in known.splitlines():
        texts[".bazelrc"] = _IMPORT + known
    return [path for path, text in texts.items() if _replace(workspace / path, text)]


def _replace(file: Path, text: str) -> bool:
    """Writes a file that differs; says whether it did."""
    if file.exists() and file.read_text("utf-8") == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, "utf-8")
    new.chmod(0o755 if text.startswith("#!") else 0o644)
    new.replace(file)
    return True


def main(arguments: list[str]) -> int:
    here = os.environ.get("BUILD_WORKING_DIRECTORY", ".")
    workspace = Path(
        arguments[0] if arguments else os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")
    )
    workspace = Path(here, workspace)
    if not (workspace / "MODULE.bazel").exists():
        sys.stderr.write(
            f"paddle_images: {workspace} has no MODULE.bazel. Name a folder that has one:"
            f" `python3 {__file__} FOLDER`; docs/api.md has its ten lines.\n"
        )
        return 1
    try:
        changed = write(workspace)
    except WriteError as problem:
        sys.stderr.write(f"paddle_images: {problem}\n")
        return 1
    for path in changed:
        print(f"wrote {path}")
    print("Start Bazel by ./bazelw." if changed else "All is as it should be.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
