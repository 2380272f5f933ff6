"""Module extension that makes repositories of the packages in debian_lock.json.

```starlark
debian = use_extension("//bazel/debian:extensions.bzl", "debian")
debian.lock(file = "//:debian_lock.json")
debian.root(name = "debian_tools", set = "tools", tools = {"skopeo": "usr/bin/skopeo"})
use_repo(debian, "debian", "debian_tools")
```

`@debian//:libc6` is the package's .deb file, `@debian//:inference` those of a
whole set; `@debian_tools//:root` is a set unpacked into one directory.
"""

load("//bazel/debian/private:repositories.bzl", "deb_repository", "hub_repository", "repository_of", "root_repository")

_lock = tag_class(
    doc = "The lock that packages come from.",
    attrs = {"file": attr.label(mandatory = True, doc = "debian_lock.json")},
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
    hub_repository(
        name = "debian",
        packages = [package["name"] for package in lock["packages"]],
        sets = {name: [p["name"] for p in packages] for name, packages in sets.items()},
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
    doc = "Repositories of the Debian packages in the lock.",
    implementation = _debian_impl,
    tag_classes = {"lock": _lock, "root": _root},
)
