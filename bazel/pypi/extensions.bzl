"""Module extension that makes Python libraries of the wheels in wheels_lock.json.

```starlark
pypi = use_extension("@paddle_images//bazel/pypi:extensions.bzl", "pypi")
pypi.lock(hub = "acme_pypi", wheels = "//:wheels_lock.json")
pypi.amend(hub = "acme_pypi", wheel = "spoken", add = ["numpy"])
use_repo(pypi, "acme_pypi")
```

`@acme_pypi//numpy` is the library with all that it requires.

The hub of paddle_images itself is `@pypi`. A wheel that it has with the same
bytes, and with the same bytes of all that the wheel requires, is one library in
all hubs; if only the wheel is the same, it is unpacked once.
"""

load("//bazel:modules.bzl", "lock_labels", "tags_of")
load("//bazel/pypi/private:repositories.bzl", "hub_repository", "wheel_repository")

_HUB = "pypi"

_lock = tag_class(
    doc = "A lock that wheels come from.",
    attrs = {
        "hub": attr.string(default = _HUB, doc = "`@HUB//NAME` is a wheel of it; each module names its own."),
        "wheels": attr.label(mandatory = True, doc = "wheels_lock.json"),
    },
)

_amend = tag_class(
    doc = "Mends the requirements that a wheel's metadata declares.",
    attrs = {
        "hub": attr.string(default = _HUB, doc = "The hub of the lock that has the wheel."),
        "wheel": attr.string(mandatory = True, doc = "The wheel, as named in the lock."),
        "add": attr.string_list(doc = "What it needs and does not declare."),
        "drop": attr.string_list(doc = "What it declares and does not need."),
    },
)

_large = tag_class(
    doc = "Wheels too large to be fetched for an analysis: see //bazel/pypi:stand_ins.",
    attrs = {
        "hub": attr.string(default = _HUB, doc = "The hub of the lock that has the wheels."),
        "wheels": attr.string_list(mandatory = True, doc = "Wheels, as named in the lock."),
    },
)

def _tags_of_hub(mctx, kind, hub):
    return [tag for module in mctx.modules for tag in getattr(module.tags, kind) if tag.hub == hub]

def _wheels(lock, amends):
    """Name -> entry of the lock, and name -> the names that it requires, as amended.

    A wheel that is named and not locked fails when it is used, not before: else
    `./bazelw run //:lock` could not start.
    """
    entries = {wheel["name"]: wheel for wheel in lock["wheels"]}
    requires = {name: {r: None for r in wheel["requires"]} for name, wheel in entries.items()}
    for tag in amends:
        for name in [tag.wheel] + tag.add:
            entries.setdefault(name, {"name": name})
            requires.setdefault(name, {})
        requires[tag.wheel].update({name: None for name in tag.add})
        for name in tag.drop:
            if requires[tag.wheel].pop(name, name):
                fail("pypi.amend: %s does not require %s any more. Take it out of `drop`." % (tag.wheel, name))
    return entries, {name: sorted(names) for name, names in requires.items()}

def _same_bytes(entries, own):
    """Name -> the name of the same wheel in paddle_images' lock."""
    known = {wheel["sha256"]: name for name, wheel in own.entries.items() if "sha256" in wheel}
    found = {name: known.get(wheel.get("sha256", "")) for name, wheel in entries.items()}
    return {name: same for name, same in found.items() if same}

def _shared(entries, amended, own, same):
    """Of wheels with the same bytes those whose requirements are the same as well."""
    shared = {name: None for name in same if name not in amended}
    for _ in range(len(entries)):  # until nothing more falls out
        lost = [
            name
            for name in shared
            if [r for r in own.requires[same[name]] if r in entries and r not in shared]
        ]
        if not lost:
            break
        for name in lost:
            shared.pop(name)
    return shared

def _pypi_impl(mctx):
    locks = tags_of(mctx, "lock", "hub")
    own = None
    for hub, tag in locks.items():
        amends = _tags_of_hub(mctx, "amend", hub)
        entries, requires = _wheels(json.decode(mctx.read(tag.wheels)), amends)
        same = _same_bytes(entries, own) if own else {}
        shared = _shared(entries, [a.wheel for a in amends], own, same) if own else {}
        repositories = {
            name: "%s_%s" % (_HUB, same[name]) if name in shared else "%s_%s" % (hub, name)
            for name in entries
        }
        for name, wheel in entries.items():
            if name not in shared:
                wheel_repository(
                    name = repositories[name],
                    requires = [repositories[r] for r in requires[name]],
                    unpacked = "%s_%s" % (_HUB, same[name]) if name in same else "",
                    wheel = json.encode(wheel),
                )
        hub_repository(
            name = hub,
            large = [name for large in _tags_of_hub(mctx, "large", hub) for name in large.wheels],
            locks = lock_labels(mctx, locks, "wheels"),
            wheels = repositories,
        )
        if hub == _HUB:
            own = struct(entries = entries, requires = requires)

pypi = module_extension(
    doc = "Repositories of the wheels in the locks.",
    implementation = _pypi_impl,
    tag_classes = {"lock": _lock, "amend": _amend, "large": _large},
)
