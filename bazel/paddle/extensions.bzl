"""Module extension that makes the engine SDK `@paddle` of the locked wheel.

```starlark
paddle = use_extension("//bazel/paddle:extensions.bzl", "paddle")
paddle.lock(wheels = "//:wheels_lock.json")
use_repo(paddle, "paddle")
```

`@paddle//:paddle_inference` is the C++ library, `@paddle//:runtime` what a
program needs beside it, `@paddle//:defs.bzl` has the rules for programs.
"""

load("//bazel/paddle/private:repositories.bzl", "sdk_repository")

_lock = tag_class(
    doc = "The lock that the wheel comes from.",
    attrs = {"wheels": attr.label(mandatory = True, doc = "wheels_lock.json")},
)

def _paddle_impl(mctx):
    lock = json.decode(mctx.read(mctx.modules[0].tags.lock[0].wheels))
    versions = [w["version"] for w in lock["wheels"] if w["name"] == "paddlepaddle"]
    if not versions:
        fail("wheels_lock.json has no paddlepaddle, whose libpaddle.so is the engine. Add it to requirements.in and run `./bazelw run //:lock`.")
    sdk_repository(name = "paddle", version = versions[0])

paddle = module_extension(
    doc = "The engine SDK.",
    implementation = _paddle_impl,
    tag_classes = {"lock": _lock},
)
