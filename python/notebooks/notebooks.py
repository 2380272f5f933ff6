"""Opens the notebooks in JupyterLab, or executes them and writes back outputs that differ."""

from __future__ import annotations

import importlib.resources
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import click
import nbformat
from nbclient import NotebookClient

from paddle_training import paths

# Variables with paths of what notebooks use.
_FILES = ("DETECTOR", "PAGE", "RECOGNISER")


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """An environment for kernels: nothing of the user's Jupyter, paths absolute."""
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"), directory)
        own |= dict.fromkeys(("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"), directory)
        server = os.pathsep.join(str(Path(p).absolute()) for p in os.environ["SERVER"].split(" "))
        own |= {name: str(Path(os.environ[name]).absolute()) for name in _FILES}
        yield {**os.environ, **own, "SERVER": server, "RUNFILES_DIR": str(Path.cwd().parent)}


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run of all its cells, in a kernel of its own.

    Raises nbclient's CellExecutionError, which shows the cell, when one of them fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with surroundings() as environment, tempfile.TemporaryDirectory() as directory:
        NotebookClient(
            notebook,
            timeout=600,
            record_timing=False,
            resources={"metadata": {"path": directory}},
        ).execute(env=environment)
    # Of the interpreter that ran it, which the lock tells already.
    notebook.metadata.pop("language_info", None)
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell printed or returned, but times and ports; of pictures, that there is one."""
    found = []
    for cell in notebook.cells:
        told = {"stdout": "", "stderr": "", "result": ""}
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                told[output.name] += output.text
            elif output.output_type != "error":
                data = output.data
                told["result"] += data.get("text/plain", "") + " image" * ("image/png" in data)
        found.append(re.sub(r'"time": "[^"]*"|port \d+', "", "|".join(told.values())))
    return found


def update(path: Path) -> bool:
    """Executes a notebook; writes it only if it gives other outputs than it shows."""
    executed = execute(path)
    if outputs(executed) == outputs(nbformat.read(path, as_version=4)):
        return False
    nbformat.write(executed, path)
    return True


@click.command(help=__doc__)
@click.option("--execute", "in_place", is_flag=True, help="Execute them, update their outputs.")
@click.option("--port", default=8888, show_default=True, type=click.IntRange(0, 65535))
@click.option("--default", "ours", multiple=True, type=click.Path(path_type=Path), hidden=True)
@click.argument("notebooks", nargs=-1, type=paths.UserPath(exists=True, dir_okay=False))
def main(in_place: bool, port: int, ours: tuple[Path, ...], notebooks: tuple[Path, ...]) -> None:
    """Opens or executes; its help text is this file's."""
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        raise click.ClickException("Start it by `./bazelw run //python/notebooks`.")
    sources = notebooks or [Path(workspace, path) for path in ours]
    if in_place:
        for source in sources:
            click.echo(f"executing {source}", err=True)
            click.echo("its outputs differed" if update(source) else "its outputs are the same")
        return
    with surroundings() as environment:
        command = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--ip=127.0.0.1"]
        command += ["--allow-root", f"--ServerApp.root_dir={sources[0].parent}"]
        command += [f"--LabApp.default_url=/lab/tree/{quote(sources[0].name)}"]
        pages = importlib.resources.files("jupyterlab") / "../share/jupyter/lab"
        environment["JUPYTERLAB_DIR"] = str(Path(str(pages)).resolve())
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
