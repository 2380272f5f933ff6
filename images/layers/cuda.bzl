"""cuda_layer: libraries out of NVIDIA's wheels, where Paddle finds them."""

load("//bazel/image:defs.bzl", "wheel_layer")

def _links(path):
    """Links in Paddle's folder for libraries: the loader looks there, by both names.

    Paddle asks for libcudnn.so; libcudnn.so asks for libcudnn_ops_infer.so.8, and looks for it
    beside the name that it was loaded by.
    """
    name = path.rpartition("/")[2]
    target = "../../nvidia/" + path
    return {
        "app/paddle/libs/" + link: target
        for link in [name, name.partition(".so.")[0] + ".so"]
    }

def cuda_layer(name, libraries, metadata = True):
    """A layer of libraries of NVIDIA's wheels, in /app/nvidia, and links to them in /app/paddle/libs.

    Args:
      name: of the target.
      libraries: wheel -> its libraries for the layer, by their paths in `nvidia`. Their names end with a version.
      metadata: whether the wheels' metadata are in this layer; of one wheel they are in one layer.
    """
    paths = [path for paths in libraries.values() for path in paths]
    links = {}
    for path in paths:
        links |= _links(path)
    wheel_layer(
        name = name,
        keep = ["nvidia/" + path for path in paths] + (["*.dist-info/*"] if metadata else []),
        symlinks = links,
        tags = ["manual"],
        wheel_folder = "app",
        wheels = [Label("@pypi//%s:site_packages" % wheel) for wheel in libraries],
    )
