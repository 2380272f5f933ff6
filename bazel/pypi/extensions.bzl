"""Module extension that makes Python libraries of the wheels in wheels_lock.json.

```starlark
pypi = use_extension("@paddle_images//bazel/pypi:extensions.bzl", "pypi")
pypi.lock(hub = "acme_pypi", wheels = "//:wheels_lock.json")
pypi.amend(hub = "acme_pypi", wheel = "spoken", add = ["numpy"])
use_repo(pypi, "acme_pypi")
```

`@acme_pypi//numpy` is the library with all that it requires, of wheels for the machine
that is built for. An entry of the lock is that of amd64; what stands in it under the
name of another machine, as `"arm64": {...}`, is taken there in its place. A wheel for
amd64 that has none for another machine is refused where that is built for.

The hub of paddle_images itself is `@pypi`. A wheel that it has with the same
bytes, and with the same bytes of all that the wheel requires, is one library in
all hubs; if only the wheel is the same, it is unpacked once.
"""

load("//bazel:modules.bzl", "lock_labels", "tags_of")
load("//bazel/platforms:table.bzl", "BASE", "MACHINES", "named_for")
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
    """Name -> entry of the lock, and machine -> name -> the names that it requires, as amended.

    A wheel that is named and not locked fails when it is used, not before: else
    `./bazelw run //:lock` could not start.
    """
    entries = {wheel["name"]: wheel for wheel in lock["wheels"]}
    for tag in amends:
        for name in [tag.wheel] + tag.add:
            entries.setdefault(name, {"name": name})
    return entries, {machine: _requires(entries, amends, machine) for machine in MACHINES}

def _requires(entries, amends, machine):
    requires = {
        name: {r: None for r in _on(wheel, machine).get("requires", [])}
        for name, wheel in entries.items()
    }
    for tag in amends:
        requires[tag.wheel].update({name: None for name in tag.add})
        for name in tag.drop:
            if requires[tag.wheel].pop(name, name):
                fail("pypi.amend: %s does not require %s any more. Take it out of `drop`." % (tag.wheel, name))
    return {name: sorted(names) for name, names in requires.items()}

def _on(wheel, machine):
    """An entry as a machine has it."""
    own = {key: value for key, value in wheel.items() if key not in MACHINES}
    return own | wheel.get(machine, {})

def _machines(wheel):
    """Those that an entry has a repository for; "": one for all that have none of their own."""
    any_machine = wheel["file"].endswith(("-any.whl", ".tar.gz")) if "file" in wheel else True
    return ["" if any_machine else BASE] + [machine for machine in MACHINES if machine in wheel]

def _repository(hub, name, machine):
    return named_for("%s_%s" % (hub, name), machine or BASE)

def _same_bytes(entries, own):
    """Name -> the name of the same wheel in paddle_images' lock, the same on every machine."""
    known = {_digests(wheel): name for name, wheel in own.entries.items() if "sha256" in wheel}
    found = {name: known.get(_digests(wheel)) for name, wheel in entries.items()}
    return {name: same for name, same in found.items() if same}

def _digests(wheel):
    return " ".join([_on(wheel, machine).get("sha256", "") for machine in MACHINES])

def _shared(entries, amended, own, same):
    """Of wheels with the same bytes those whose requirements are the same as well."""
    shared = {name: None for name in same if name not in amended}
    for _ in range(len(entries)):  # until nothing more falls out
        lost = [
            name
            for name in shared
            if [
                r
                for requires in own.requires.values()
                for r in requires[same[name]]
                if r in entries and r not in shared
            ]
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
        repositories = {}  # name -> machine -> repository
        for name, wheel in entries.items():
            if name in shared:
                repositories[name] = {
                    machine: _repository(_HUB, same[name], machine)
                    for machine in _machines(own.entries[same[name]])
                }
                continue
            repositories[name] = {machine: _repository(hub, name, machine) for machine in _machines(wheel)}
            for machine, repository in repositories[name].items():
                told = _on(wheel, machine)
                source = machine if told.get("file") != wheel.get("file") else ""
                unpacked = _repository(_HUB, same[name], source) if name in same else _repository(hub, name, source)
                wheel_repository(
                    name = repository,
                    requires = ["@%s//%s" % (hub, r) for r in requires[machine or BASE][name]],
                    unpacked = unpacked if unpacked != repository else "",
                    wheel = json.encode(told),
                )
        hub_repository(
            name = hub,
            large = [name for large in _tags_of_hub(mctx, "large", hub) for name in large.wheels],
            lock = str(tag.wheels).lstrip("@"),
            locks = lock_labels(mctx, locks, "wheels"),
            wheels = {name: json.encode(of) for name, of in repositories.items()},
        )
        if hub == _HUB:
            own = struct(entries = entries, requires = requires)

pypi = module_extension(
    doc = "Repositories of the wheels in the locks.",
    implementation = _pypi_impl,
    tag_classes = {"lock": _lock, "amend": _amend, "large": _large},
)
