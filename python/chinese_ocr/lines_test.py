"""Line images of any kind become the network's input; what cannot is named, all of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chinese_ocr import lines

CHARACTERS = lines.default_characters()


def test_the_default_characters() -> None:
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 416
    assert "".join(CHARACTERS).startswith("一是人了不在有大中国")
    assert set("0189。、") < set(CHARACTERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("一\n二三\n", ":2: '二三' is not one character"),
        ("一\n\n二\n", ":2: '' is not one character"),
        ("一\n二\n一\n", ":3: 一 is in line 1 already"),
        ("", "no characters"),
    ],
)
def test_mistaken_character_files(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(text, "utf-8")
    with pytest.raises(lines.LineError, match="c.txt.*" + message):
        lines.read_characters(tmp_path / "c.txt")


def half_black(mode: str, size: tuple[int, int]) -> Image.Image:
    """Black on the left, white on the right."""
    grey = np.zeros((size[1], size[0]), np.uint8)
    grey[:, size[0] // 2 :] = 255
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "RGBA":  # black ink on a transparent ground whose hidden colour is black as well
        return Image.fromarray(np.stack([grey * 0, grey * 0, grey * 0, 255 - grey], axis=2))
    return Image.fromarray(grey).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(64, 32), (128, 64), (30, 15)])
def test_any_image_becomes_a_grey_line(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    name = "line.tiff" if mode == "CMYK" else "line.png"
    half_black(mode, size).save(tmp_path / name)
    line = lines.load_image(tmp_path / name)
    assert line.shape == (32, 64)
    assert line.dtype == np.uint8
    assert line[:, :28].max() <= 2
    assert line[:, 36:].min() >= 253


def test_input_is_from_black_to_white() -> None:
    made = lines.to_input(np.array([[[0, 255]] * 32], np.uint8))
    assert made.shape == (1, 1, 32, 2)
    assert made.dtype == np.float32
    assert made[0, 0, 0].tolist() == [-1, 1]


def test_shorter_lines_go_on_as_they_end() -> None:
    batch = lines.padded([np.full((32, 8), 7, np.uint8), np.full((32, 12), 9, np.uint8)])
    assert batch.shape == (2, 32, 12)
    assert (batch[0] == 7).all()


def test_classes_begin_after_the_blank() -> None:
    assert lines.to_classes(["一是", "是"], CHARACTERS).tolist() == [[1, 2], [2, 0]]


def save(folder: Path, labels: str, *files: str) -> Path:
    """A folder of white lines with labels."""
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        Image.new("L", (100, 32), "white").save(folder / file)
    (folder / "rec_gt.txt").write_text(labels, "utf-8")
    return folder


@pytest.mark.parametrize("start", ["", "\ufeff"])  # as Windows' editors begin a file
def test_a_folder_as_paddleocr_takes_it(start: str, tmp_path: Path) -> None:
    save(tmp_path, f"{start}a.png\t一是\nimages/b.jpg\t人人\n\n", "a.png", "images/b.jpg")
    for path in (tmp_path, tmp_path / "rec_gt.txt"):
        loaded = lines.load_labelled(path, CHARACTERS)
        assert loaded.texts == ["一是", "人人"]
        assert [image.shape for image in loaded.images] == [(32, 100)] * 2


def empty(folder: Path) -> Path:
    return folder


def no_lines(folder: Path) -> Path:
    return save(folder, "\n")


def one_line(folder: Path) -> Path:
    return save(folder, "a.png\t一\n", "a.png")


def spaces(folder: Path) -> Path:
    return save(folder, "a.png 一\n", "a.png")


def unknown(folder: Path) -> Path:
    return save(folder, "a.png\t一龘龘\nb.png\t鑫\n", "a.png", "b.png")


def missing(folder: Path) -> Path:
    return save(folder, "a.png\t一\nb.png\t一\n", "a.png")


def damaged(folder: Path) -> Path:
    save(folder, "a.png\t一\nb.png\t一\n", "a.png", "b.png")
    data = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(data[: len(data) - 40])
    return folder


def no_image(folder: Path) -> Path:
    save(folder, "a.png\t一\nb.png\t一\n", "a.png")
    (folder / "b.png").write_text("hello")
    return folder


def narrow(folder: Path) -> Path:
    return save(folder, "a.png\t" + "人" * 14 + "\n", "a.png")


def gbk(folder: Path) -> Path:
    (folder / "rec_gt.txt").write_bytes("a.png\t中国\n".encode("gbk"))
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty, r"rec_gt.txt: No such file or directory. It should hold a line FILE<TAB>TEXT"),
        (no_lines, "rec_gt.txt: 0 lines. At least two"),
        (one_line, "rec_gt.txt: 1 lines. At least two"),
        (spaces, r"rec_gt.txt:1: 'a.png 一' is not FILE<TAB>TEXT"),
        (unknown, "characters that the model does not know: 龘鑫. Give --characters a file"),
        (missing, "rec_gt.txt:2: .*b.png: no readable image: No such file"),
        (damaged, "rec_gt.txt:2: .*b.png: no readable image: "),
        (no_image, "rec_gt.txt:2: .*b.png: no readable image: cannot identify"),
        (narrow, "25 frames; its text of 14 characters needs 27"),
        (gbk, "rec_gt.txt: .*utf-8.* in UTF-8"),
    ],
)
def test_mistaken_folders(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(lines.LineError, match=message):
        lines.load_labelled(make(tmp_path), CHARACTERS)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    save(tmp_path, "a.png\t龘\nno.png\t一\nb\n" + "c\n" * 20, "a.png")
    with pytest.raises(lines.LineError) as told:
        lines.load_labelled(tmp_path, CHARACTERS)
    message = told.value.message
    assert message.count("\n") == 10
    assert "no.png" in message and "龘" in message and "more" in message


def test_a_line_may_not_be_endless(tmp_path: Path) -> None:
    Image.new("1", (40_000, 100)).save(tmp_path / "a.png")
    with pytest.raises(lines.LineError, match=r"40000 x 100 pixels is 12800 wide.*shorter lines"):
        lines.load_image(tmp_path / "a.png")
