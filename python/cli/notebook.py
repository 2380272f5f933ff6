"""JupyterLab, as the image `train` starts it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--ip", default="*", show_default=True, help="Address to listen on; * is every one.")
@click.option("--port", default=8888, show_default=True, help="Port to listen on.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def notebook(ip: str, port: int, arguments: tuple[str, ...]) -> None:
    """Starts JupyterLab; further ARGUMENTS are its own.

    It asks for a token: that of JUPYTER_TOKEN, else a random one that is in the address it prints.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException("JupyterLab is not installed here: it is in the image `train`.")
    if os.environ.get("JUPYTER_TOKEN") == "":
        raise click.ClickException(
            "JUPYTER_TOKEN is empty, which would let everybody in: give it a value, or unset it "
            "for a random one."
        )
    click.echo(
        f"JupyterLab is on port {port}: open the address with `token=` that it prints below. "
        f"Files in {Path.cwd()} stay as long as the volume there. Ctrl-C twice stops it.",
        err=True,
    )
    command = [sys.executable, "-m", "jupyterlab", f"--ip={ip}", f"--port={port}", "--no-browser"]
    # Within a container root is no more than another user of it.
    os.execv(sys.executable, [*command, "--allow-root", *arguments])
