"""RapidOCR, which says what is on a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle import inference


def start(config: Path | None = None) -> Any:
    """RapidOCR as it ships, but on oneDNN, in a quarter of the time.

    Args:
        config: in place of its config.yaml. Models are folders with model.pdmodel or model.json.
    """
    import rapidocr_paddle
    from rapidocr_paddle.utils import PaddleInferSession

    class Config(inference.Config):  # type: ignore[misc]
        def __init__(self, program: str, parameters: str) -> None:
            folder = Path(program).parent
            for own in ("model.pdmodel", "model.json"):
                if (folder / own).exists():
                    program, parameters = str(folder / own), str(folder / "model.pdiparams")
            super().__init__(program, parameters)
            self.enable_mkldnn()
            self.set_cpu_math_library_num_threads(1)

        # A program of Paddle 3's own format fails with it: "Not find ... memory_optimize_pass".
        def enable_memory_optim(self, on: bool = True) -> None:
            del on

    plain, inference.Config = inference.Config, Config
    verify, PaddleInferSession._verify_model = (
        PaddleInferSession._verify_model,
        lambda _, path: None,
    )
    try:
        return rapidocr_paddle.RapidOCR(config and str(config))
    finally:
        inference.Config, PaddleInferSession._verify_model = plain, verify


def answer(rapidocr: Any, picture: bytes) -> list[dict[str, Any]]:
    """In its order: {"box": [[x, y] * 4], "text", "score"}."""
    from rapidocr_paddle.utils.process_img import ResizeImgError

    try:
        lines, _ = rapidocr(picture)
    except ResizeImgError:
        return []  # too small for it
    return [
        {"box": [[round(v) for v in p] for p in box], "text": text, "score": round(float(score), 4)}
        for box, text, score in lines or []
    ]
