"""Module extension that makes repositories of the packages in Debian's locks.

```starlark
debian = use_extension("//bazel/debian:extensions.bzl", "debian")
debian.lock(file = "//:debian_lock.json", security = "//:security_lock.json")
debian.root(name = "debian_tools", set = "tools", tools = {"skopeo": "usr/bin/skopeo"})
use_repo(debian, "debian", "debian_tools")
```

`@debian//:libc6` is the package's .deb file, `@debian//:inference` those of a
whole set; with `--//bazel/debian:patched` they are what the security lock has
in their place. `@debian_tools//:root` is a set unpacked into one directory.
"""

load("//bazel/debian/private:repositories.bzl", "deb_repository", "hub_repository", "repository_of", "root_repository")

_lock = tag_class(
    doc = "The locks that packages come from.",
    attrs = {
        "file": attr.label(mandatory = True, doc = "debian_lock.json"),
        "security": attr.label(doc = "security_lock.json: what takes the place of packages of the other one."),
    },
)

_root = tag_class(
    doc = "A repository that holds one package set, unpacked into the directory `root`.",
    attrs = {
        "name": attr.string(mandatory = True, doc = "Name of the repository."),
        "set": attr.string(mandatory = True, doc = "Package set of debian.yaml."),
        "build_file": attr.label(doc = "BUILD file of the repository; by default it exports `root`, `bin/*` and a filegroup for each tool."),
        "files": attr.string_dict(doc = "Path in the repository -> label of an executable file to put there."),
        "tools": attr.string_dict(doc = "Name -> path in the root. Each becomes `bin/NAME`, which runs the program on the libraries of the root."),
        "compile_python": attr.bool(doc = "Byte-compile the standard library, which Debian leaves to a maintainer script."),
    },
)

def _debian_impl(mctx):
    module = mctx.modules[0]
    lock = json.decode(mctx.read(module.tags.lock[0].file))
    sets = {}
    for package in lock["packages"]:
        deb_repository(name = repository_of(package["name"]), package = json.encode(package))
        for name in package["sets"]:
            sets.setdefault(name, []).append(package)
    security = module.tags.lock[0].security
    updates = json.decode(mctx.read(security)) if security else {"date": "", "packages": []}
    for package in updates["packages"]:
        deb_repository(name = repository_of(package["name"], updated = True), package = json.encode(package))
    hub_repository(
        name = "debian",
        packages = [package["name"] for package in lock["packages"]],
        security_date = updates["date"],
        sets = {name: [p["name"] for p in packages] for name, packages in sets.items()},
        updates = {package["name"]: package["sets"] for package in updates["packages"]},
    )
    for root in module.tags.root:
        root_repository(
            name = root.name,
            packages = json.encode(sets.get(root.set, [])),
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
