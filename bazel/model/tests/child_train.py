"""A trainer that reads another model and a file, and leaves a file of its own in the model."""

import argparse
import json
import shutil
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--out", required=True, type=Path)
parser.add_argument("--parent", required=True, type=Path)
parser.add_argument("--classes", required=True, type=Path)
arguments = parser.parse_args()

for file in ("model.pdmodel", "model.pdiparams"):
    shutil.copyfile(arguments.parent / file, arguments.out / file)
told = json.loads((arguments.parent / "metadata.json").read_text(encoding="utf-8"))
classes = arguments.classes.read_text(encoding="utf-8").split()
metadata = {
    "description": "Knows what its parent knows.",
    "licence": "CC0-1.0",
    "metrics": {**told["metrics"], "loss": 0.25},
    "settings": {"parent": told["digests"]["model.pdiparams"], "classes": classes},
}
shutil.copyfile(arguments.classes, arguments.out / "classes.txt")
(arguments.out / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
