"""Module extension that makes the engine SDKs of the locked wheels, one for each line of Paddle.

```starlark
paddle = use_extension("//bazel/paddle:extensions.bzl", "paddle")
paddle.lock(wheels = "//:wheels_lock.json")
paddle.lock(line = "3", wheels = "//bazel/paddle/paddle3:wheels_lock.json")
use_repo(paddle, "paddle", "paddle3", "paddle_gpu")
```

`@paddle//:paddle_inference` is the C++ library, `@paddle//:runtime` what a
program needs beside it, `@paddle//:defs.bzl` has the rules for programs.
`@paddle3` is the same of the next line: what each has stands in
//bazel/platforms:paddle.bzl. `@paddle_gpu` has the same of the wheel for GPUs,
which has the version of `@paddle`. A program runs with any of them. `@paddle3//:openvino`
is what OpenVINO computes with, beside the runtime.

Where another machine is built for, all of this is of the wheel for that machine:
`@paddle_arm64` has it, to which `@paddle` leads.
"""

load("//bazel:modules.bzl", "own_tags_of")
load("//bazel/paddle/private:repositories.bzl", "sdk_repository", "versions_repository")
load("//bazel/platforms:paddle.bzl", "PADDLE_LINES", "sdk_of")
load("//bazel/platforms:table.bzl", "BASE", "MACHINES", "named_for")

_lock = tag_class(
    doc = "The lock that a line's wheels come from; paddle_images' own alone.",
    attrs = {
        "line": attr.string(default = "2", values = PADDLE_LINES.keys(), doc = "The line of Paddle."),
        "wheels": attr.label(mandatory = True, doc = "wheels_lock.json"),
    },
)

def _paddle_impl(mctx):
    versions = {}
    for tag in own_tags_of(mctx, "lock", "Its engine, headers and shield are tested with the wheels of its own locks: take the tag out."):
        versions[tag.line] = _line(tag, json.decode(mctx.read(tag.wheels)))
    versions_repository(
        name = "paddle_lines",
        versions = versions,
    )

def _line(tag, lock):
    line = PADDLE_LINES[tag.line]
    spec = "//%s:requirements.in" % tag.wheels.package
    versions = {w["name"]: w["version"] for w in lock["wheels"]}
    paddle = versions.get("paddlepaddle", "")
    if not paddle.startswith(tag.line + "."):
        fail("%s has paddlepaddle %s, whose libpaddle.so is the engine of line %s. Mend %s and run `./bazelw run //:lock`." %
             (tag.wheels, paddle or "not", tag.line, spec))
    others = {
        "@platforms//cpu:" + MACHINES[machine]["cpu"]: "@" + sdk_of(tag.line, machine)
        for machine in line.runtime
        if machine != BASE
    }
    for machine, runtime in line.runtime.items():
        own = machine == BASE
        sdk_repository(
            name = sdk_of(tag.line, machine),
            distribution = "paddlepaddle",
            openvino = line.openvino if own else [],
            others = others if own else {},
            protected = line.protected.get(machine, {}),
            runtime = runtime,
            stripped = [path for path in line.stripped if path in runtime],
            version = paddle,
            versions = {
                "CUDA": ".".join(versions.get("nvidia_cuda_runtime_cu11", "0.0").split(".")[:2]),
                "CUDNN": versions.get("nvidia_cudnn_cu11", "0"),
                "NCCL": versions.get("nvidia_nccl_cu11", "0"),
                "PADDLE": paddle,
            } if line.gpu and own else {"PADDLE": paddle},
            wheel = "@%s//:BUILD.bazel" % named_for(line.wheel, machine),
        )
    if not line.gpu:
        return paddle

    # One program runs with both engines, so they are of one version.
    gpu = versions.get("paddlepaddle_gpu", paddle)
    if gpu != paddle:
        fail("%s has paddlepaddle %s, but paddlepaddle-gpu %s. Give both the same version in %s and run `./bazelw run //:lock`." %
             (tag.wheels, paddle, gpu, spec))
    sdk_repository(
        name = "paddle%s_gpu" % line.suffix,
        distribution = "paddlepaddle_gpu",
        gpu_code = line.gpu.code,
        runtime = line.runtime[BASE] + line.gpu.runtime,
        stripped = line.stripped,
        training = line.gpu.training,
        version = gpu,
        versions = {"PADDLE": gpu},
        wheel = "@%s//:BUILD.bazel" % line.gpu.wheel,
    )
    return paddle

paddle = module_extension(
    doc = "The engine SDKs.",
    implementation = _paddle_impl,
    tag_classes = {"lock": _lock},
)
