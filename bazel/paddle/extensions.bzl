"""Module extension that makes the engine SDKs `@paddle` and `@paddle_gpu` of the locked wheels.

```starlark
paddle = use_extension("//bazel/paddle:extensions.bzl", "paddle")
paddle.lock(wheels = "//:wheels_lock.json")
use_repo(paddle, "paddle", "paddle_gpu")
```

`@paddle//:paddle_inference` is the C++ library, `@paddle//:runtime` what a
program needs beside it, `@paddle//:defs.bzl` has the rules for programs.
`@paddle_gpu` has the same of the wheel for GPUs: programs are linked with
`@paddle`, and run with either. Both have the same version.
"""

load("//bazel/paddle/private:repositories.bzl", "sdk_repository")

_lock = tag_class(
    doc = "The lock that the wheels come from.",
    attrs = {"wheels": attr.label(mandatory = True, doc = "wheels_lock.json")},
)

def _paddle_impl(mctx):
    lock = json.decode(mctx.read([tag for module in mctx.modules for tag in module.tags.lock][0].wheels))
    versions = {w["name"]: w["version"] for w in lock["wheels"]}
    if "paddlepaddle" not in versions:
        fail("wheels_lock.json has no paddlepaddle, whose libpaddle.so is the engine. Add it to requirements.in and run `./bazelw run //:lock`.")
    paddle = versions["paddlepaddle"]
    sdk_repository(
        name = "paddle",
        distribution = "paddlepaddle",
        version = paddle,
        versions = {
            "CUDA": ".".join(versions.get("nvidia_cuda_runtime_cu11", "0.0").split(".")[:2]),
            "CUDNN": versions.get("nvidia_cudnn_cu11", "0"),
            "NCCL": versions.get("nvidia_nccl_cu11", "0"),
            "PADDLE": paddle,
        },
        wheel = "@pypi_paddlepaddle//:BUILD.bazel",
    )

    # One program runs with both engines, so they are of one version.
    gpu = versions.get("paddlepaddle_gpu", paddle)
    if gpu != paddle:
        fail("wheels_lock.json has paddlepaddle %s, but paddlepaddle-gpu %s. Give both the same version in requirements.in and run `./bazelw run //:lock`." % (paddle, gpu))
    sdk_repository(
        name = "paddle_gpu",
        distribution = "paddlepaddle_gpu",
        gpu = True,
        version = gpu,
        versions = {"PADDLE": gpu},
        wheel = "@pypi_paddlepaddle_gpu//:BUILD.bazel",
    )

paddle = module_extension(
    doc = "The engine SDKs.",
    implementation = _paddle_impl,
    tag_classes = {"lock": _lock},
)
