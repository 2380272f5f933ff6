"""What the rules share."""

def layout_of(target):
    """The layout directory that a target is.

    Args:
      target: the target, an oci_image or oci_image_index.

    Returns:
      the File.
    """
    files = target[DefaultInfo].files.to_list()
    if len(files) != 1 or not files[0].is_directory:
        fail("%s is no OCI image layout: 'image' takes an oci_image or an oci_image_index" % target.label)
    return files[0]

def layout_inputs(target):
    """A layout and the layers that its links lead to.

    Args:
      target: the target, an oci_image or oci_image_index.

    Returns:
      a depset of Files.
    """
    return depset(transitive = [target[DefaultInfo].files, target[DefaultInfo].default_runfiles.files])

# What a text of an image is written to by the macros is private to them: these
# tags say how to run, not what to run.
_EXECUTION_TAGS = ["local", "exclusive", "external", "requires-network", "block-network", "supports-path-mapping"]

def internal_tags(tags):
    """Tags of a helper target.

    Args:
      tags: those of the user's target.

    Returns:
      `manual` and those of the tags that say how to run.
    """
    kept = [
        tag
        for tag in tags or []
        if tag in _EXECUTION_TAGS or tag.startswith("no-") or tag.startswith("cpu:") or
           tag.startswith("resources:")
    ]
    return kept + ([] if "manual" in kept else ["manual"])
