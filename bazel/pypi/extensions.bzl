"""Module extension that makes Python libraries of the wheels in wheels_lock.json.

```starlark
pypi = use_extension("//bazel/pypi:extensions.bzl", "pypi")
pypi.lock(wheels = "//:wheels_lock.json")
pypi.undeclared(wheel = "paddlepaddle", requires = ["setuptools"])
use_repo(pypi, "pypi")
```

`@pypi//numpy` is the library with all that it requires.
"""

load("//bazel/pypi/private:repositories.bzl", "hub_repository", "wheel_repository")

_lock = tag_class(
    doc = "The lock that wheels come from.",
    attrs = {"wheels": attr.label(mandatory = True, doc = "wheels_lock.json")},
)

_undeclared = tag_class(
    doc = "A requirement that a wheel's metadata does not declare.",
    attrs = {
        "wheel": attr.string(mandatory = True, doc = "The wheel, as named in the lock."),
        "requires": attr.string_list(mandatory = True, doc = "What it needs besides."),
    },
)

def _pypi_impl(mctx):
    module = mctx.modules[0]
    lock = json.decode(mctx.read(module.tags.lock[0].wheels))
    names = [wheel["name"] for wheel in lock["wheels"]]
    undeclared = {}
    for tag in module.tags.undeclared:
        for name in [tag.wheel] + tag.requires:
            if name not in names:
                fail("pypi.undeclared: %s is not in wheels_lock.json. Add it to requirements.in and run `./bazelw run //:lock`." % name)
        undeclared[tag.wheel] = tag.requires
    for wheel in lock["wheels"]:
        wheel_repository(
            name = "pypi_" + wheel["name"],
            wheel = json.encode(wheel),
            requires = sorted(wheel["requires"] + undeclared.get(wheel["name"], [])),
        )
    hub_repository(name = "pypi", wheels = names)

pypi = module_extension(
    doc = "Repositories of the wheels in the lock.",
    implementation = _pypi_impl,
    tag_classes = {"lock": _lock, "undeclared": _undeclared},
)
