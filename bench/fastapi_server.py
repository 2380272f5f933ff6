"""FastAPI, uvicorn and paddle.inference: what one writes who needs no more than an endpoint.

    fastapi_server.py PORT MODEL...

One process, models inline, no more of the protocol than the benchmark asks for. It takes bodies raw
and has orjson parse them: pydantic models of tensors would halve it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from numpy.typing import NDArray
from paddle import inference

Array = NDArray[np.float32]


class Model:
    """One input and one output of FP32."""

    def __init__(self, folder: Path) -> None:
        config = inference.Config(f"{folder}/model.pdmodel", f"{folder}/model.pdiparams")
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(1)
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(1 << 20)
        self._predictor = inference.create_predictor(config)
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self.output = self._predictor.get_output_names()[0]
        self._output = self._predictor.get_output_handle(self.output)

    def __call__(self, array: Array) -> Array:
        self._input.copy_from_cpu(array)
        self._predictor.run()
        result: Array = self._output.copy_to_cpu()
        return result


app = FastAPI()
models: dict[str, Model] = {}


@app.get("/v2/health/ready")  # type: ignore[untyped-decorator]  # FastAPI is not in the check
async def ready() -> Response:
    return Response()


@app.post("/v2/models/{name}/infer")  # type: ignore[untyped-decorator]
async def infer(name: str, request: Request) -> Response:
    model, body = models[name], await request.body()
    head = int(request.headers.get("inference-header-content-length", 0))
    told = orjson.loads(body[:head] if head else body)["inputs"][0]
    if head:
        array = np.frombuffer(body, np.float32, offset=head)
    else:
        array = np.array(told["data"], np.float32)
    result = model(array.reshape(told["shape"]))
    output: dict[str, Any] = {"name": model.output, "datatype": "FP32", "shape": result.shape}
    answer = {"model_name": name, "outputs": [output]}
    if not head:
        output["data"] = result.reshape(-1)
        return Response(
            orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
        )
    output["parameters"] = {"binary_data_size": result.nbytes}
    text = orjson.dumps(answer)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Response(text + result.tobytes(), headers=headers, media_type="application/octet-stream")


if __name__ == "__main__":
    for folder in map(Path, sys.argv[2:]):
        models[json.loads((folder / "metadata.json").read_text())["name"]] = Model(folder)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
