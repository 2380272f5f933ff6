"""The notebooks run from start to end, to the very outputs that they show."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from notebooks import notebooks

NOTEBOOKS = [Path(p) for p in os.environ["NOTEBOOKS"].split(" ")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_gives_the_outputs_that_it_shows(path: Path) -> None:
    shown = nbformat.read(path, as_version=4)
    nbformat.validate(shown)
    assert notebooks.outputs(notebooks.execute(path)) == notebooks.outputs(shown), (
        f"{path} shows other outputs: run `./bazelw run //python/notebooks -- --execute`."
    )
    assert any("image" in text for text in notebooks.outputs(shown))


def write(path: Path, *cells: str) -> None:
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=code), path)


def test_a_notebook_that_shows_what_it_gives_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.ipynb"
    write(
        path,
        "import time",
        """print('{"time": "%s"}' % time.time_ns(), 'on port', "port %d" % 1)""",
    )
    assert notebooks.update(path)
    before = path.read_bytes()
    assert b"on port" in before
    assert not notebooks.update(path)  # another time, and nothing else
    assert path.read_bytes() == before


def get(url: str) -> int:
    """The status of a page, from a server that tells its address before it listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as page:
                return int(page.status)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_the_address_is_that_of_the_notebook(tmp_path: Path) -> None:
    write(tmp_path / "my notes.ipynb", "1")
    here = {"BUILD_WORKSPACE_DIRECTORY": "/nowhere", "BUILD_WORKING_DIRECTORY": str(tmp_path)}
    command = [sys.executable, "-m", "notebooks.notebooks", "--port=0", "my notes.ipynb"]
    with subprocess.Popen(
        command, env=os.environ | here, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as lab:
        assert lab.stderr
        said, address = "", None
        try:
            while not address and (line := lab.stderr.readline()):
                said += line
                address = re.search(r"http://127\S+", line)
            assert address, said
            assert "/lab/tree/my%20notes.ipynb?token=" in address[0]
            assert get(address[0]) == 200
        finally:
            os.killpg(lab.pid, signal.SIGKILL)


def test_a_cell_that_fails_is_shown(tmp_path: Path) -> None:
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(broken, tmp_path / "broken.ipynb")
    with pytest.raises(Exception, match="1 / 0"):
        notebooks.execute(tmp_path / "broken.ipynb")
