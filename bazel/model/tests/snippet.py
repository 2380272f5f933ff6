"""Prints the code block of a Markdown file whose first line is `# PATH`: snippet FILE PATH."""

import re
import sys
from pathlib import Path


def snippet(text: str, path: str) -> str:
    """The block without its fences and its first line."""
    found = re.findall(rf"^```\w+\n# {re.escape(path)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise SystemExit(f"snippet: {len(found)} code blocks begin with `# {path}`")
    block: str = found[0]
    return block


if __name__ == "__main__":
    file, path = sys.argv[1:]
    sys.stdout.write(snippet(Path(file).read_text(encoding="utf-8"), path))
