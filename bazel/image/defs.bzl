"""Layers and images.

Layers are tar archives with the same bytes everywhere: entries are sorted,
dated 1970, owned by root where nothing else is said, and never setuid. They
follow Debian's merged /usr: /bin, /lib, /lib64 and /sbin are links.

```starlark
load("//bazel/image:defs.bzl", "deb_layer", "file_layer", "paddle_image", "paddle_model_image", "paddle_registry", "paddle_report", "user_layer", "wheel_layer")
```
"""

load("//bazel/image/layer:layer.bzl", "layer")
load("//bazel/image/layer:user_layer.bzl", _user_layer = "user_layer")
load("//bazel/image/private:deploy_manifest.bzl", _deploy_manifest = "deploy_manifest")
load("//bazel/image/private:model_image.bzl", _paddle_model_image = "paddle_model_image")
load("//bazel/image/private:paddle_image.bzl", _paddle_image = "paddle_image")
load("//bazel/image/private:program.bzl", _paddle_registry = "paddle_registry", _paddle_report = "paddle_report", _paddle_verify = "paddle_verify")

deploy_manifest = _deploy_manifest
paddle_image = _paddle_image
paddle_model_image = _paddle_model_image
paddle_registry = _paddle_registry
paddle_report = _paddle_report
paddle_verify = _paddle_verify
user_layer = _user_layer

def deb_layer(name, packages, exclude = [], below = [], **kwargs):
    """Debian packages, unpacked; maintainer scripts do not run.

    Manual pages, translations and documentation but the copyright files stay
    out. `/var/lib/dpkg/status.d` says what is installed, for scanners. The CA
    bundle of ca-certificates is made here, as its script would.

    Args:
      name: of the target, and of the archive.
      packages: .deb files: `@debian//:PACKAGE`, `@debian//:SET`.
      exclude: glob patterns of paths in the image to leave out; `*` matches `/` too.
      below: layers below: the packages that they have stay out.
      **kwargs: what all rules have, and attributes of the rule in private/layer.bzl.
    """
    layer(name = name, packages = packages, exclude = exclude, below = below, **kwargs)

def file_layer(name, files = {}, modes = {}, dirs = {}, symlinks = {}, owner = "0:0", **kwargs):
    """Files of the build.

    Args:
      name: of the target, and of the archive.
      files: label -> path in the image. A directory's contents go below the path; so do several files of one label,
        by their paths in their package.
      modes: path -> mode of a file, like "0755"; else a file of the checkout that is executable has 0755, all others 0644.
      dirs: folder -> mode, or mode and owner: "1777", "0755 65532:65532".
      symlinks: path -> target.
      owner: UID:GID of all of it.
      **kwargs: what all rules have.
    """
    layer(name = name, files = files, modes = modes, dirs = dirs, symlinks = symlinks, owner = owner, **kwargs)

# What only compilers, test runners and Windows read of a wheel.
_UNREAD = ["*/tests/*"] + ["*." + suffix for suffix in [
    "a",
    "c",
    "cc",
    "cpp",
    "cu",
    "cuh",
    "exe",
    "h",
    "hpp",
    "pxd",
    "pxi",
    "pyx",
]]

def wheel_layer(name, wheels, below = [], keep = [], drop = [], scripts = [], **kwargs):
    """Python wheels, as pip would install them, byte-compiled.

    RECORD tells of what is there: rows of files that are left out are not in it.

    Args:
      name: of the target, and of the archive.
      wheels: `@pypi//NAME` labels: the wheel with all that it requires; `@pypi//NAME:site_packages` is it alone.
      below: layers below: the wheels that they have stay out.
      keep: glob patterns of paths in a wheel, of all that is taken; by default everything.
      drop: glob patterns of paths in a wheel to leave out, like `numpy/doc/*`, beside tests, headers and sources of C.
      scripts: names of console scripts to make in /usr/local/bin; the others are `python -m MODULE`.
      **kwargs: what all rules have, and attributes of the rule in private/layer.bzl.
    """
    layer(
        name = name,
        below = below,
        drop = _UNREAD + ["/" + pattern.lstrip("/") for pattern in drop],
        keep = ["/" + pattern.lstrip("/") for pattern in keep],
        scripts = scripts,
        wheels = wheels,
        **kwargs
    )
