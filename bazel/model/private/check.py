"""Asks a server for the golden inputs of a model and compares with the golden outputs.

SAMPLES is the folder NAME.samples of a paddle_model. Exits 1 when an answer is further away than
--tolerance, or when there is none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import click
import numpy as np
import tritonclient.http
import tritonclient.utils

from cc.server import serving


def read(samples: Path, names: list[str]) -> serving.Arrays:
    """The arrays NAME.npy, if SHA256SUMS says that they are whole."""
    sums = (samples / "SHA256SUMS").read_text(encoding="utf-8")
    known = {name: digest for digest, name in (line.split("  ", 1) for line in sums.splitlines())}
    arrays = {}
    for name in names:
        file = samples / f"{name}.npy"
        if file.name not in known:
            raise ValueError(f"the model has a tensor {name}, but {samples} has no {file.name}")
        if hashlib.sha256(file.read_bytes()).hexdigest() != known[file.name]:
            raise ValueError(f"{file} is not what SHA256SUMS says: build or copy it anew")
        arrays[name] = np.load(file)
    return arrays


def check(samples: Path, url: str, model: str, tolerance: float) -> bool:
    """Prints a line for each output; whether all are close enough."""
    with tritonclient.http.InferenceServerClient(url) as client:
        metadata = client.get_model_metadata(model)
    inputs, expected = (
        read(samples, serving.array_names(metadata[kind])) for kind in ("inputs", "outputs")
    )
    close = True
    for name, answer in serving.infer(url, model, inputs, expected).items():
        golden = expected[name]
        rows = f"{name}: {len(golden)} rows"
        if (answer.dtype, answer.shape) != (golden.dtype, golden.shape):
            print(f"{rows}: {answer.dtype} {answer.shape} instead of {golden.dtype} {golden.shape}")
            close = False
        elif answer.tobytes() == golden.tobytes():
            print(f"{rows}: equal bits")
        else:
            difference = np.abs(answer.astype(np.float64) - golden).max() / np.abs(golden).max()
            near = bool(difference <= tolerance)
            print(f"{rows}: differ by {difference:.2g} of the largest, {tolerance:g} is allowed")
            close = close and near
    return close


@click.command(help=__doc__)
@click.option("--samples", required=True, metavar="SAMPLES", help="Golden inputs and outputs.")
@click.option("--url", default="localhost:8080", show_default=True, help="HOST:PORT")
@click.option("--model", required=True, help="What the server calls the model.")
@click.option("--tolerance", default=1e-5, show_default=True, help="Of the largest output.")
def main(samples: str, url: str, model: str, tolerance: float) -> None:
    """Its help text is this file's."""
    # `bazel run` starts programs in a folder of its own.
    folder = Path(os.environ.get("BUILD_WORKING_DIRECTORY", ""), samples)
    try:
        good = check(folder, url, model, tolerance)
    except tritonclient.utils.InferenceServerException as error:
        sys.exit(f"check: {url} says: {error.message()}")
    except ConnectionError as error:
        sys.exit(
            f"check: no server answers at {url} ({error}). Start one, such as "
            "`./bazelw run //images:inference_run`, or name another with --url."
        )
    except (OSError, ValueError) as error:
        sys.exit(f"check: {error}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
