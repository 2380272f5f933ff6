"""deploy_manifest: a Kubernetes manifest that names images by the digests that were built."""

load(":program.bzl", "image_program")

def deploy_manifest(name, program, template, images, **kwargs):
    """A manifest that `bazel run` prints: a template filled in with options and images.

    Args:
      name: of the target.
      program: prints it; before the user's options it gets `--template FILE`, `--skopeo PROGRAM`, by which it may
        ask a registry, and for each image `--image NAME=DIGEST_FILE`. //deploy:manifest has what such programs need.
      template: YAML file with `$name` for what is filled in.
      images: name -> image, a target that has a `.digest` (oci_image, paddle_image).
      **kwargs: what all rules have.
    """
    image_program(
        name = name,
        data = [Label("@debian_tools//:root")],
        files = {
            template: "template",
            Label("@debian_tools//:bin/skopeo"): "skopeo",
        } | {
            image + ".digest": "image=" + image_name
            for image_name, image in images.items()
        },
        program = program,
        **kwargs
    )
