"""A Paddle model for MLServer, as its documentation has custom ones."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from paddle import inference


class PaddleModel(MLModel):  # type: ignore[misc]  # its types are not loaded into the check
    """One input and one output."""

    async def load(self) -> bool:
        folder = self.settings.parameters.uri
        config = inference.Config(f"{folder}/model.pdmodel", f"{folder}/model.pdiparams")
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(1)
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(1 << 20)
        self._predictor = inference.create_predictor(config)
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        self._name = self._predictor.get_output_names()[0]
        self._output = self._predictor.get_output_handle(self._name)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self._input.copy_from_cpu(NumpyCodec.decode_input(payload.inputs[0]))
        self._predictor.run()
        output = NumpyCodec.encode_output(self._name, self._output.copy_to_cpu())
        return InferenceResponse(model_name=self.name, outputs=[output])
