"""The notebooks run from start to end, to the very outputs that they show."""

import os
import re
from pathlib import Path

import nbformat
import pytest

from notebooks import notebooks

NOTEBOOKS = [Path(p) for p in os.environ["NOTEBOOKS"].split(" ")]


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell printed or returned, but times and ports; of pictures, that there is one."""
    found = []
    for cell in notebook.cells:
        told = {"stdout": "", "stderr": "", "result": ""}
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                told[output.name] += output.text
            else:
                data = output.data
                told["result"] += data.get("text/plain", "") + " image" * ("image/png" in data)
        found.append(re.sub(r'"time": "[^"]*"|port \d+', "", "|".join(told.values())))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_gives_the_outputs_that_it_shows(path: Path) -> None:
    shown = nbformat.read(path, as_version=4)
    nbformat.validate(shown)
    assert texts(notebooks.execute(path)) == texts(shown), (
        f"{path} shows other outputs: run `./bazelw run //python/notebooks -- --execute`."
    )
    assert any("image" in text for text in texts(shown))


def test_a_cell_that_fails_is_shown(tmp_path: Path) -> None:
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(broken, tmp_path / "broken.ipynb")
    with pytest.raises(Exception, match="1 / 0"):
        notebooks.execute(tmp_path / "broken.ipynb")
