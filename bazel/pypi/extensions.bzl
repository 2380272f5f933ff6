"""Module extension that makes Python libraries of the wheels in wheels_lock.json.

```starlark
pypi = use_extension("//bazel/pypi:extensions.bzl", "pypi")
pypi.lock(wheels = "//:wheels_lock.json")
pypi.amend(wheel = "paddlepaddle", add = ["setuptools"])
use_repo(pypi, "pypi")
```

`@pypi//numpy` is the library with all that it requires.
"""

load("//bazel/pypi/private:repositories.bzl", "hub_repository", "wheel_repository")

_lock = tag_class(
    doc = "A lock that wheels come from.",
    attrs = {
        "hub": attr.string(default = "pypi", doc = "`@HUB//NAME` is a wheel of it. Only the first lock, `pypi`, is amended."),
        "wheels": attr.label(mandatory = True, doc = "wheels_lock.json"),
    },
)

_amend = tag_class(
    doc = "Mends the requirements that a wheel's metadata declares.",
    attrs = {
        "wheel": attr.string(mandatory = True, doc = "The wheel, as named in the lock."),
        "add": attr.string_list(doc = "What it needs and does not declare."),
        "drop": attr.string_list(doc = "What it declares and does not need."),
    },
)

_large = tag_class(
    doc = "Wheels too large to be fetched for an analysis: see //bazel/pypi:stand_ins.",
    attrs = {"wheels": attr.string_list(mandatory = True, doc = "Wheels, as named in the lock.")},
)

def _pypi_impl(mctx):
    module = mctx.modules[0]
    locks = [json.decode(mctx.read(tag.wheels)) for tag in module.tags.lock]
    _first(module, locks[0])
    for tag, lock in zip(module.tags.lock, locks)[1:]:
        _further(tag.hub, lock, {wheel["sha256"]: wheel["name"] for wheel in locks[0]["wheels"]})

def _further(hub, lock, unpacked):
    """The repositories of a further lock; what the first one has of the same bytes is not unpacked again."""
    for wheel in lock["wheels"]:
        same = unpacked.get(wheel["sha256"])
        wheel_repository(
            name = hub + "_" + wheel["name"],
            hub = hub,
            requires = wheel["requires"],
            unpacked = "pypi_" + same if same else "",
            wheel = json.encode(wheel),
        )
    hub_repository(name = hub, hub = hub, wheels = [wheel["name"] for wheel in lock["wheels"]])

def _first(module, lock):
    names = [wheel["name"] for wheel in lock["wheels"]]
    amended = {wheel["name"]: {name: None for name in wheel["requires"]} for wheel in lock["wheels"]}
    for tag in module.tags.amend:
        for name in [tag.wheel] + tag.add:
            if name not in names:
                # Fails when it is used, not before: else `./bazelw run //:lock` could not start.
                names.append(name)
                wheel_repository(name = "pypi_" + name, wheel = json.encode({"name": name}))
        requires = amended.setdefault(tag.wheel, {})
        requires.update({name: None for name in tag.add})
        for name in tag.drop:
            if requires.pop(name, name):
                fail("pypi.amend: %s does not require %s any more. Take it out of `drop`." % (tag.wheel, name))
    for wheel in lock["wheels"]:
        wheel_repository(
            name = "pypi_" + wheel["name"],
            wheel = json.encode(wheel),
            requires = sorted(amended[wheel["name"]]),
        )
    hub_repository(
        name = "pypi",
        large = [name for tag in module.tags.large for name in tag.wheels],
        wheels = names,
    )

pypi = module_extension(
    doc = "Repositories of the wheels in the lock.",
    implementation = _pypi_impl,
    tag_classes = {"lock": _lock, "amend": _amend, "large": _large},
)
