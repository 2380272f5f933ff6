"""The locks that an image is made of, and what provenance calls them."""

# Of paddle_images and of the workspace that depends on it.
LOCKS = [
    Label("//bazel/debian:locks"),
    Label("//bazel/pypi:locks"),
    Label("//bazel/launcher:launcher_lock.json"),
]

def lock_words(files):
    """Locks by their names: paths, which for locks of another module begin with its name.

    Args:
      files: the locks.

    Returns:
      a list of pairs, name and file.
    """
    return [
        (file.short_path.removeprefix("../").replace("~/", "/").replace("+/", "/"), file)
        for file in files
    ]
