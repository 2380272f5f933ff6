"""Module extension that fetches models which a registry has, as OCI images or artifacts.

```starlark
models = use_extension("@paddle_images//bazel/model:extensions.bzl", "models")
models.pull(
    name = "acme_detector",
    digest = "sha256:...",
    image = "registry.example.com/team/detector",
)
use_repo(models, "acme_detector")
```

`@acme_detector//:files` is the directory of its files, for `package` of
paddle_model_import. The digest is the lock: other bytes are refused.
"""

load("//bazel:modules.bzl", "tags_of")
load("//bazel/oci:pull.bzl", "oci_pull_repository")

_pull = tag_class(
    doc = "A model of a registry.",
    attrs = {
        "digest": attr.string(mandatory = True, doc = "sha256:HEX of its manifest."),
        "image": attr.string(mandatory = True, doc = "HOST/NAME, of one's own registry: paddle_images itself has none."),
        "name": attr.string(mandatory = True, doc = "Name of the repository."),
    },
)

_BUILD = """\
load("@paddle_images//bazel/model:defs.bzl", "oci_model_files")

exports_files(["layout"])

oci_model_files(
    name = "files",
    layout = "layout",
    visibility = ["//visibility:public"],
)
"""

def _models_impl(mctx):
    for tag in tags_of(mctx, "pull", "name").values():
        oci_pull_repository(
            name = tag.name,
            build_file_content = _BUILD,
            digest = tag.digest,
            image = tag.image,
        )

models = module_extension(
    doc = "Models of registries.",
    implementation = _models_impl,
    tag_classes = {"pull": _pull},
)
