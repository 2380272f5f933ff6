"""Opens the notebooks in JupyterLab, or executes them and writes their outputs back."""

from __future__ import annotations

import importlib.resources
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import nbformat
from nbclient import NotebookClient


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """An environment for kernels: nothing of the user's Jupyter, the server's path absolute."""
    with tempfile.TemporaryDirectory(prefix="paddle_images-") as directory:
        own = dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"), directory)
        own |= dict.fromkeys(("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"), directory)
        server = os.pathsep.join(str(Path(p).absolute()) for p in os.environ["SERVER"].split(" "))
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


@click.command(help=__doc__)
@click.option("--execute", "in_place", is_flag=True, help="Execute them, write the outputs back.")
@click.option("--port", default=8888, show_default=True, type=click.IntRange(0, 65535))
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path))
def main(in_place: bool, port: int, notebooks: tuple[Path, ...]) -> None:
    """Opens or executes; its help text is this file's."""
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        raise click.ClickException("Start it by `./bazelw run //python/notebooks`.")
    sources = [Path(workspace, notebook) for notebook in notebooks]
    for source in sources:
        if not source.is_file():
            raise click.UsageError(
                f"{source} is no file: give a notebook's path below {workspace}."
            )
    if in_place:
        for source in sources:
            click.echo(f"executing {source}", err=True)
            nbformat.write(execute(source), source)
        return
    with surroundings() as environment:
        command = [sys.executable, "-m", "jupyterlab", f"--port={port}", "--ip=127.0.0.1"]
        command += ["--allow-root", f"--ServerApp.root_dir={sources[0].parent}"]
        pages = importlib.resources.files("jupyterlab") / "../share/jupyter/lab"
        environment["JUPYTERLAB_DIR"] = str(Path(str(pages)).resolve())
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
