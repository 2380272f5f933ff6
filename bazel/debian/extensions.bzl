"""Module extension that makes repositories of the packages in Debian's locks.

```starlark
debian = use_extension("@paddle_images//bazel/debian:extensions.bzl", "debian")
debian.lock(hub = "acme_debian", file = "//:debian_lock.json")
debian.root(name = "acme_debian_tools", hub = "acme_debian", set = "tools", tools = {"tree": "usr/bin/tree"})
use_repo(debian, "acme_debian", "acme_debian_tools")
```

`@acme_debian//:libc6` is the package's .deb file, `@acme_debian//:inference` those
of a whole set; with `--@paddle_images//bazel/debian:patched` they are what the
security lock has in their place. They are for the machine that is built for:
`@acme_debian//arm64:libc6` is for arm64 wherever it stands. `@acme_debian_tools//:root`
is a set unpacked into one directory, for one machine.

The hub of paddle_images itself is `@debian`. A package that it has with the same
bytes is one file in all hubs.
"""

load("//bazel:modules.bzl", "lock_labels", "tags_of")
load("//bazel/debian/private:repositories.bzl", "deb_repository", "hub_repository", "root_repository")
load("//bazel/platforms:table.bzl", "BASE")

_lock = tag_class(
    doc = "The locks that packages come from.",
    attrs = {
        "file": attr.label(mandatory = True, doc = "debian_lock.json"),
        "hub": attr.string(default = "debian", doc = "`@HUB//:PACKAGE` is a package of it; each module names its own."),
        "security": attr.label(doc = "security_lock.json: what takes the place of packages of the other one."),
    },
)

_root = tag_class(
    doc = "A repository that holds one package set, unpacked into the directory `root`.",
    attrs = {
        "name": attr.string(mandatory = True, doc = "Name of the repository; HUB_SET, for a model's metadata to name what is in it."),
        "hub": attr.string(default = "debian", doc = "The hub of the lock that has the set."),
        "set": attr.string(mandatory = True, doc = "Package set of debian.yaml."),
        "arch": attr.string(default = BASE, doc = "The machine that it is for, one of those of the set."),
        "build_file": attr.label(doc = "BUILD file of the repository; by default it exports `root`, `bin/*` and a filegroup for each tool."),
        "files": attr.string_keyed_label_dict(doc = "Path in the repository -> an executable file to put there."),
        "tools": attr.string_dict(doc = "Name -> path in the root. Each becomes `bin/NAME`, which runs the program on the libraries of the root."),
        "compile_python": attr.bool(doc = "Byte-compile the standard library, which Debian leaves to a maintainer script."),
    },
)

def _repository_of(hub, package, updated = False):
    """The repository name of a package's .deb."""
    return "%s_deb_%s%s%s" % (
        hub,
        package["name"].replace("+", "_plus"),
        "" if package["arch"] in (BASE, "all") else "_" + package["arch"],
        "_security" if updated else "",
    )

def _by_arch(hub, entries, made, updated = False):
    """Architecture -> what there is for it; the files that no earlier hub made are made here."""
    found = {}
    for package in entries:
        name = made.get(package["sha256"])
        if not name:
            name = _repository_of(hub, package, updated)
            made[package["sha256"]] = name
            deb_repository(name = name, package = json.encode(package))
        for member in package["sets"]:
            # A lock calls sets SET, or SET:ARCH for other machines than the base.
            set, _, arch = member.partition(":")
            there = found.setdefault(arch or BASE, struct(packages = {}, sets = {}))
            there.packages[package["name"]] = "@%s//:%s.deb" % (name, package["name"])
            there.sets.setdefault(set, []).append(package["name"])
    return found

def _debian_impl(mctx):
    locks = tags_of(mctx, "lock", "hub")
    sets = {}  # hub -> set, as the lock calls it -> entries of packages
    made = {}  # sha256 -> repository
    for hub, tag in locks.items():
        lock = json.decode(mctx.read(tag.file))
        sets[hub] = {}
        for package in lock["packages"]:
            for name in package["sets"]:
                sets[hub].setdefault(name, []).append(package)
        updates = json.decode(mctx.read(tag.security)) if tag.security else {"date": "", "packages": []}
        hub_repository(
            name = hub,
            locks = lock_labels(mctx, locks, "file"),
            packages = json.encode(_by_arch(hub, lock["packages"], made)),
            security_date = updates["date"],
            security_locks = lock_labels(mctx, locks, "security"),
            updates = json.encode(_by_arch(hub, updates["packages"], made, updated = True)),
        )
    for root in tags_of(mctx, "root", "name").values():
        if root.hub not in sets:
            fail("debian.root(name = \"%s\"): no debian.lock has the hub %s; there are %s." % (root.name, root.hub, ", ".join(sets)))
        root_repository(
            name = root.name,
            packages = json.encode(sets[root.hub].get(root.set + ("" if root.arch == BASE else ":" + root.arch), [])),
            build_file = root.build_file,
            files = root.files,
            tools = root.tools,
            compile_python = root.compile_python,
        )

debian = module_extension(
    doc = "Repositories of the Debian packages in the locks.",
    implementation = _debian_impl,
    tag_classes = {"lock": _lock, "root": _root},
)
