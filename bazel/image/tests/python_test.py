"""Wheels in an image run on the interpreter of the image."""

from pathlib import Path

import pytest

from bazel.image.run import runtime
from bazel.platforms.table import DIST_PACKAGES

IMAGE = Path("bazel/image/tests/python")

PROGRAM = """
import importlib.metadata, importlib.util, sys
import numpy
print(numpy.__file__, importlib.metadata.version("numpy") == numpy.__version__)
print(numpy.linalg.inv(numpy.eye(2) * 2).trace(), importlib.util.find_spec("numpy.tests"))
maps = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
print(sorted(path for path in maps if not path.startswith("/usr/")))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_a_wheel_is_imported_where_pip_would_put_it(cache: Path) -> None:
    arguments = ["-c", PROGRAM]
    container = runtime.Container(
        IMAGE, cache=cache, arguments=arguments, options=["--network=host"]
    )
    assert container.wait() == 0, container.stderr
    assert container.stdout.splitlines() == [
        f"/{DIST_PACKAGES}/numpy/__init__.py True",
        "1.0 None",
        "[]",
    ]
