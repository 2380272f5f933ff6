"""paddle_model_image: a model as an image that is mounted, not run."""

load("//bazel/image/attest:annotations.bzl", "image_annotations")
load("//bazel/image/layer:layer.bzl", "layer")
load("//bazel/oci:defs.bzl", "oci_image")
load(":paddle_image.bzl", "USER")
load(":published.bzl", "published")

# Where KServe's modelcars have their models, and ORAS unpacks them.
_FOLDER = "models"

def paddle_model_image(
        name,
        model,
        version = "1",
        layers = {},
        tags = [],
        visibility = None):
    """A model as an image: its files in /models/<version>, and nothing that runs.

    Kubernetes mounts it as a volume, KServe takes it as `oci+native://`, podman
    and docker as a mount of type image; `oras pull` gives the folder `models`.
    docs/models.md says how, and why an image and no other artifact.

    Targets:

    - `<name>`: the image, an OCI layout; `<name>.digest`: a file of its digest
    - `<name>_push`: pushes it, to an embedded registry or with `-- --repository R --tag T`
    - `<name>_load`: loads it into the user's docker or podman
    - `<name>_sbom`: its bills of materials; `<name>_sbom_test` holds them to the formats

    Args:
      name: of the image; it is pushed as paddle/<name>.
      model: a paddle_model or paddle_model_import.
      version: of the model, a whole number: its folder in the image, and the tag that is pushed.
      layers: history -> layer, below the model. Where a `sh`, `ls`, `ln` and `sleep` are in them, it is a modelcar
        also for a KServe that knows `oci://` alone.
      tags: of the targets.
      visibility: of the targets.
    """
    if not version.isdigit() or version.startswith("0"):
        fail(("paddle_model_image %s: version = \"%s\" is none that a server counts. It is the folder of the model " +
              "in the image, a whole number like \"1\"; other tags are a push's own: `-- --tag v1.2`.") % (name, version))
    common = {"tags": tags, "visibility": ["//visibility:private"]}
    layer(
        name = name + "_model",
        files = {model: "%s/%s" % (_FOLDER, version)},
        **common
    )
    stack = layers | {"model": name + "_model"}
    image_annotations(
        name = name + "_annotations",
        model = model,
        values = {
            "org.opencontainers.image.vendor": "paddle_images",
            "org.opencontainers.image.version": version,
        },
        **common
    )
    oci_image(
        name = name,
        annotations = name + "_annotations",
        architecture = "amd64",  # a config names one; files of a model are for all
        labels = name + "_annotations",
        os = "linux",
        tags = tags,
        tars = stack.values(),
        user = "%d:%d" % (USER, USER),
        visibility = visibility,
        history = stack.keys(),
        titles = [""] * len(layers) + [_FOLDER],
    )
    published(
        name = name,
        size = "small",
        layers = stack.values(),
        tags = tags,
        texts = {"model": native.package_relative_label(model).name},
        version = version,
        visibility = visibility,
    )
