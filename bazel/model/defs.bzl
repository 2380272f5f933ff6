"""Models that are trained in the build, or taken from those who trained them.

```starlark
load("//bazel/model:defs.bzl", "paddle_model", "paddle_parity_test")

paddle_model(
    name = "digits",
    args = ["--epochs=20"],
    require = {"accuracy": 0.97},
    trainer = ":train",
)

paddle_parity_test(
    name = "parity",
    model = ":digits",
)
```
"""

load("//bazel/model/private:model.bzl", _PaddleModelInfo = "PaddleModelInfo", _paddle_model = "paddle_model", _paddle_model_import = "paddle_model_import")
load("//bazel/model/private:oci.bzl", _oci_model_files = "oci_model_files")
load("//bazel/model/private:tests.bzl", _paddle_parity_test = "paddle_parity_test", _paddle_reproducible_test = "paddle_reproducible_test", _paddle_resume_test = "paddle_resume_test")

PaddleModelInfo = _PaddleModelInfo
oci_model_files = _oci_model_files
paddle_model = _paddle_model
paddle_model_import = _paddle_model_import
paddle_parity_test = _paddle_parity_test
paddle_reproducible_test = _paddle_reproducible_test
paddle_resume_test = _paddle_resume_test
