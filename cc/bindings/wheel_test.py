"""The wheel installs beside paddlepaddle and works; the same files give the same wheel."""

import os
import re
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

WHEEL = Path(os.environ["WHEEL"]).absolute()
PACK = Path(os.environ["PACK"]).absolute()
TAG = "cp311-cp311-manylinux_2_34_x86_64"


def metadata(name: str) -> Message:
    with ZipFile(WHEEL) as wheel:
        (path,) = [n for n in wheel.namelist() if n.endswith(f".dist-info/{name}")]
        return Parser().parsestr(wheel.read(path).decode())


def test_pip_installs_it_and_it_runs(tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [*pip, "--no-deps", "--no-compile", f"--target={site}", WHEEL], env=environment, check=True
    )
    code = (
        "import os, numpy, paddle_engine\n"
        "from paddle_engine import ocr\n"
        "engine = paddle_engine.Engine(os.environ['MODEL'])\n"
        "print(engine.run({'x': numpy.zeros((2, 1, 8, 8), 'float32')})['logits'].shape)\n"
        "reader = ocr.Reader(os.environ['DETECTOR'], os.environ['RECOGNISER'])\n"
        "print(reader.read(os.environ['PAGE']).lines[2].text)\n"
        "print(paddle_engine.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": os.pathsep.join([str(site), environment["PYTHONPATH"]])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "(2, 10)",
        "春天的早晨，窗外的树上有许多小鸟在唱歌。",  # noqa: RUF001
        f"{site}/paddle_engine/__init__.py",
    ]


def test_says_what_it_needs() -> None:
    assert WHEEL.name == f"paddle_engine-{metadata('METADATA')['Version']}-{TAG}.whl"
    assert metadata("WHEEL").get_all("Tag") == [TAG]
    assert metadata("METADATA").get_all("Requires-Dist") == [
        f"paddlepaddle=={os.environ['PADDLE_VERSION']}",
        "numpy<2",
    ]


def test_the_tag_is_true() -> None:
    """manylinux_2_34: glibc 2.34 and the libstdc++ of gcc 11, or older."""
    with ZipFile(WHEEL) as wheel:
        libraries = [wheel.read(name) for name in wheel.namelist() if ".so" in name]
    assert len(libraries) > 20
    newest = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29)}
    for library in libraries:
        for name, version in re.findall(rb"\0(GLIBC|GLIBCXX)_([0-9.]+)(?=\0)", library):
            asked = tuple(int(part) for part in version.decode().split("."))
            assert asked <= newest[name.decode()], (name, version)


def test_the_same_bytes_wherever_it_is_packed(tmp_path: Path) -> None:
    names = ["b/paddle_engine/b.py", "a/paddle_engine/lib/a.so"]
    made = []
    for number, order in enumerate([1, -1]):
        place = tmp_path / str(number)
        for name in names:
            file = place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            file.chmod(0o644 + number)
            os.utime(file, (number * 10**9, number * 10**9))
        out = place / "paddle_engine-1-py3-none-any.whl"
        files = [place / name for name in names[::order]]
        subprocess.run([PACK, f"--out={out}", "--requires=numpy", *files], check=True)
        made.append(out.read_bytes())
    assert made[0] == made[1]
    with ZipFile(out) as wheel:
        assert wheel.namelist()[:2] == ["paddle_engine/b.py", "paddle_engine/lib/a.so"]
