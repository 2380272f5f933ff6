"""Writes a picture as PicoDet takes it: image.npy and scale_factor.npy."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

_NEW = click.Path(dir_okay=False, path_type=Path)
_SIZE = 416
# ImageNet's, as infer_cfg.yml beside the model has them.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@click.command(help=__doc__)
@click.option("--picture", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--image", type=_NEW, required=True)
@click.option("--scale-factor", type=_NEW, required=True)
def main(picture: Path, image: Path, scale_factor: Path) -> None:
    """Converts; its help text is this file's."""
    with Image.open(picture) as opened:
        pixels = opened.convert("RGB")
    scaled = pixels.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC)
    values = (np.asarray(scaled, np.float32) / np.float32(255) - _MEAN) / _DEVIATION
    np.save(image, np.ascontiguousarray(values.transpose(2, 0, 1)[None]))
    factors = [[_SIZE / pixels.height, _SIZE / pixels.width]]
    np.save(scale_factor, np.array(factors, np.float32))


if __name__ == "__main__":
    main()
