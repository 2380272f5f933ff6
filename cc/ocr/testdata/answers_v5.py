"""Writes what RapidOCR reads with PP-OCRv5 on some of the pages: {"page.png": [lines], ...}.

Its numbers are those of the models' inference.yml. It runs on Paddle 3, which its own wheel is not
resolved with: it and what it imports come as folders.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import click
from paddle import inference  # noqa: F401  # before those folders: of Paddle 3

_EACH = 5  # of all pages


@click.command(help=__doc__)
@click.option("--wheels", multiple=True, required=True)
@click.option("--pages", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--detector", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--recogniser", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--classifier", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(
    wheels: tuple[str, ...],
    pages: Path,
    detector: Path,
    recogniser: Path,
    classifier: Path,
    out: Path,
) -> None:
    """Asks; its help text is this file's."""
    sys.path.extend(wheels)
    import rapidocr_paddle
    import yaml

    from cc.ocr.testdata import reference

    settings = yaml.safe_load((Path(rapidocr_paddle.__file__).parent / "config.yaml").read_text())
    told = yaml.safe_load((detector / "inference.yml").read_text())
    (normal,) = (
        op["NormalizeImage"] for op in told["PreProcess"]["transform_ops"] if "NormalizeImage" in op
    )
    post = told["PostProcess"]
    settings["Det"] |= {key: normal[key] for key in ("mean", "std")}
    settings["Det"] |= {
        key: post[key] for key in ("thresh", "box_thresh", "unclip_ratio", "max_candidates")
    }
    settings["Det"]["use_dilation"] = False
    settings["Rec"]["rec_keys_path"] = str(recogniser.resolve() / "characters.txt")
    folders = {"Det": detector, "Rec": recogniser, "Cls": classifier}
    for part, folder in folders.items():
        settings[part]["model_path"] = str(folder.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        config = Path(temporary, "config.yaml")
        config.write_text(yaml.safe_dump(settings))
        rapidocr = reference.start(config)
    with zipfile.ZipFile(pages) as archive:
        known = json.loads(archive.read("pages.json"))[::_EACH]
        answers = {
            page["file"]: reference.answer(rapidocr, archive.read(page["file"])) for page in known
        }
    out.write_text(json.dumps(answers, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
