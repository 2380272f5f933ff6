"""Layers and images.

Layers are tar archives with the same bytes everywhere: entries are sorted,
dated 1970, owned by root where nothing else is said, and never setuid. They
follow Debian's merged /usr: /bin, /lib, /lib64 and /sbin are links.

```starlark
load("//bazel/image:defs.bzl", "deb_layer", "file_layer", "paddle_image", "paddle_registry", "user_layer", "wheel_layer")
```
"""

load("//bazel/image/private:deploy_manifest.bzl", _deploy_manifest = "deploy_manifest")
load("//bazel/image/private:layer.bzl", "layer")
load("//bazel/image/private:paddle_image.bzl", _paddle_image = "paddle_image")
load("//bazel/image/private:program.bzl", _paddle_registry = "paddle_registry", _paddle_verify = "paddle_verify")
load("//bazel/image/private:user_layer.bzl", _user_layer = "user_layer")

deploy_manifest = _deploy_manifest
paddle_image = _paddle_image
paddle_registry = _paddle_registry
paddle_verify = _paddle_verify
user_layer = _user_layer

def deb_layer(name, packages, exclude = [], **kwargs):
    """Debian packages, unpacked; maintainer scripts do not run.

    Manual pages, translations and documentation but the copyright files stay
    out. `/var/lib/dpkg/status.d` says what is installed, for scanners. The CA
    bundle of ca-certificates is made here, as its script would.

    Args:
      name: of the target, and of the archive.
      packages: .deb files: `@debian//:PACKAGE`, `@debian//:SET`.
      exclude: glob patterns of paths in the image to leave out; `*` matches `/` too.
      **kwargs: what all rules have.
    """
    layer(name = name, packages = packages, exclude = exclude, **kwargs)

def file_layer(name, files = {}, modes = {}, dirs = {}, symlinks = {}, owner = "0:0", **kwargs):
    """Files of the build.

    Args:
      name: of the target, and of the archive.
      files: label -> path in the image. A directory's contents go below the path; so do several files of one label,
        by their paths in their package.
      modes: path -> mode of a file, like "0755"; else it is 0644.
      dirs: folder -> mode, or mode and owner: "1777", "0755 65532:65532".
      symlinks: path -> target.
      owner: UID:GID of all of it.
      **kwargs: what all rules have.
    """
    layer(name = name, files = files, modes = modes, dirs = dirs, symlinks = symlinks, owner = owner, **kwargs)

def wheel_layer(name, wheels, path = "usr/lib/python3/dist-packages", drop = [], **kwargs):
    """Python wheels, where Debian's Python finds them.

    Args:
      name: of the target, and of the archive.
      wheels: `@pypi//NAME:site_packages` labels.
      path: the folder in the image.
      drop: glob patterns of paths below it to leave out, like `numpy/tests/*`.
      **kwargs: what all rules have.
    """
    layer(
        name = name,
        drop = ["*/__pycache__/*"] + ["/" + pattern.lstrip("/") for pattern in drop],
        files = {wheel: path for wheel in wheels},
        **kwargs
    )
