"""Python's reader gives what `server ocr` gives of the same pictures, to the bit."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

# docs/engine.md says what a long one does to a process with Paddle 3.
os.environ.pop("TEST_TMPDIR", None)

from paddle_engine import ocr

FILES = os.environ["FILES"].split()
MODELS: dict[str, Any] = {
    name: Path(os.environ[name.upper()]) for name in ("detector", "recogniser", "classifier")
}
SETTINGS: dict[str, Any] = json.loads(os.environ["SETTINGS"])


def test_it_reads_as_the_server_to_the_bit(tmp_path: Path) -> None:
    with zipfile.ZipFile(os.environ["PAGES"]) as pages:
        files = [pages.extract(file, tmp_path) for file in FILES]
    flags = [f"--model_repository={tmp_path / 'models'}"]
    for name, folder in MODELS.items():
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "1").symlink_to(folder.absolute())
        flags.append(f"--ocr_{name}={name}")
    flags += [f"--ocr_{name}={value}" for name, value in SETTINGS.items()]
    server = [os.environ["RUN"], os.environ["SERVER"], "ocr", *flags, "--format=json", *files]
    done = subprocess.run(server, stdout=subprocess.PIPE, text=True, check=True)
    reader = ocr.Reader(**MODELS, **SETTINGS)
    for file, answer in zip(files, done.stdout.splitlines(), strict=True):
        page = dataclasses.asdict(reader.read(file))
        assert all(took > 0 for took in page.pop("milliseconds").values())
        page["lines"] = [line | {"box": [[*xy] for xy in line["box"]]} for line in page["lines"]]
        assert page["lines"]
        assert {"file": file, **page} == json.loads(answer)
