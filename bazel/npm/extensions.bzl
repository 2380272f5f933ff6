"""Module extension that makes repositories of programs which npm packages carry.

```starlark
npm = use_extension("//bazel/npm:extensions.bzl", "npm")
npm.lock(file = "//bazel/npm:npm_lock.json")
use_repo(npm, "npm_buildifier")
```
"""

def _npm_impl(rctx):
    package = json.decode(rctx.attr.package)
    name = package["name"]
    registry = rctx.os.environ.get("NPM_REGISTRY") or rctx.os.environ.get("NPM_CONFIG_REGISTRY")
    if not registry:
        fail("No npm registry is known. Start Bazel by ./bazelw or bazelisk, which read npm's configuration, or set NPM_CONFIG_REGISTRY.")
    if not rctx.download_and_extract(
        url = "%s/%s/-/%s-%s.tgz" % (registry.rstrip("/"), name, name.rpartition("/")[2], package["version"]),
        integrity = package["integrity"],
        stripPrefix = "package",
        allow_fail = True,
    ).success:
        fail("%s %s cannot be fetched from the npm registry, or came with wrong bytes (see the warning above).\n  expected integrity %s (%s)\nSet NPM_CONFIG_REGISTRY to a registry that works." %
             (name, package["version"], package["integrity"], rctx.attr.lock))
    rctx.symlink(package["file"], "program")
    rctx.file("BUILD.bazel", "exports_files([\"program\"])\n")

_npm_repository = repository_rule(
    doc = "One npm package: the file `program` is what the lock names in it.",
    implementation = _npm_impl,
    attrs = {
        "lock": attr.string(mandatory = True, doc = "Name of the lock, for errors."),
        "package": attr.string(mandatory = True, doc = "The package's entry in the lock, as JSON."),
    },
)

def _extension_impl(mctx):
    packages = {}
    for tag in [tag for module in mctx.modules for tag in module.tags.lock]:
        for package in json.decode(mctx.read(tag.file))["npm"]:
            # Of what several modules lock, the root's counts: its tags come first.
            packages.setdefault("npm_" + package["name"].rpartition("/")[2], (tag.file.name, package))
    for name, (lock, package) in packages.items():
        _npm_repository(name = name, lock = lock, package = json.encode(package))

npm = module_extension(
    doc = "Repositories `npm_NAME` of the npm packages in the locks.",
    implementation = _extension_impl,
    tag_classes = {"lock": tag_class(
        doc = "A lock that packages come from.",
        attrs = {"file": attr.label(mandatory = True, doc = "A JSON file whose list `npm` has the packages.")},
    )},
)
