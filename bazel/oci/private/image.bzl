"""oci_image_rule: an image of layers, as an OCI layout."""

load("//bazel/oci:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":common.bzl", "layout_inputs", "layout_of")

# ctx.actions.run takes a function, not a number.
def _mem_512m(_os, _inputs):
    return {"memory": 512}

def _mem_1g(_os, _inputs):
    return {"memory": 1024}

def _mem_2g(_os, _inputs):
    return {"memory": 2048}

def _mem_4g(_os, _inputs):
    return {"memory": 4096}

def _mem_8g(_os, _inputs):
    return {"memory": 8192}

def _mem_16g(_os, _inputs):
    return {"memory": 16384}

def _mem_32g(_os, _inputs):
    return {"memory": 32768}

def _cpu_2(_os, _inputs):
    return {"cpu": 2}

def _cpu_4(_os, _inputs):
    return {"cpu": 4}

_RESOURCE_SETS = {
    "cpu_2": _cpu_2,
    "cpu_4": _cpu_4,
    "default": None,
    "mem_16g": _mem_16g,
    "mem_1g": _mem_1g,
    "mem_2g": _mem_2g,
    "mem_32g": _mem_32g,
    "mem_4g": _mem_4g,
    "mem_512m": _mem_512m,
    "mem_8g": _mem_8g,
}

_FILES = {
    "annotations": "File of key=value lines: annotations of the manifest. Named .json: an object, or [key, value] pairs.",
    "cmd": "File of one argument a line, or .json of a list: what the entrypoint gets when the user gives nothing.",
    "created": "File of one RFC 3339 time; 1970-01-01T00:00:00Z without a base, the base's with one.",
    "entrypoint": "File of one argument a line, or .json of a list: the program. It also drops the arguments of a base.",
    "env": "File of KEY=VALUE lines, or .json as of `annotations`; $NAME and ${NAME} expand to what is set by the base and by lines above.",
    "exposed_ports": "File of a comma-separated list, or .json of one: ports, like 8080 or 53/udp.",
    "healthcheck": "File of JSON: Docker's Healthcheck. Not in the OCI specification: Docker alone reads it.",
    "labels": "File of key=value lines, or .json as of `annotations`: labels of the config, merged over those of the base.",
    "volumes": "File of a comma-separated list, or .json of one: folders.",
}

def _descriptors_of(target):
    """Layer -> file of its descriptor, of a rule that tells; others' layers are described here.

    Whoever writes a layer can hash it on the way. The output group `oci_descriptor` has the files,
    one for each of the target, in the same order, as `layout.py descriptor` would write them.
    """
    if OutputGroupInfo not in target or not hasattr(target[OutputGroupInfo], "oci_descriptor"):
        return {}
    layers = target[DefaultInfo].files.to_list()
    descriptors = target[OutputGroupInfo].oci_descriptor.to_list()
    if len(descriptors) != len(layers):
        fail("%s has %d layers and %d descriptors in `oci_descriptor`" % (target.label, len(layers), len(descriptors)))
    return dict(zip(layers, descriptors))

def _describe(ctx, layer, index):
    described = ctx.actions.declare_file("%s_layers/%d.json" % (ctx.label.name, index))
    args = ctx.actions.args()
    args.add_all(["descriptor", layer, described])
    tools = []
    toolchain = ctx.toolchains[TOOLCHAIN_TYPE]
    if toolchain and toolchain.oci.zstd and layer.basename.endswith("zst"):
        args.add("--zstd", toolchain.oci.zstd)
        tools.append(toolchain.oci.files)
    ctx.actions.run(
        executable = ctx.executable._image_tool,
        arguments = [args],
        inputs = [layer],
        tools = depset(transitive = tools),
        outputs = [described],
        mnemonic = "OCIDescriptor",
        progress_message = "Hashing layer %{input}",
    )
    return described

def _oci_image_impl(ctx):
    if ctx.attr.base:
        if ctx.attr.os or ctx.attr.architecture or ctx.attr.variant:
            fail("'os', 'architecture' and 'variant' come from the image provided by 'base' and cannot be " +
                 "overridden. Remove them from %s." % ctx.label)
    elif not ctx.attr.os or not ctx.attr.architecture:
        fail("'os' and 'architecture' are mandatory when 'base' is unspecified. " +
             "Add them to %s, like os = \"linux\", architecture = \"amd64\"." % ctx.label)
    if ctx.attr.resource_set not in _RESOURCE_SETS:
        fail("'resource_set' of %s is %r, not one of %s" % (ctx.label, ctx.attr.resource_set, _RESOURCE_SETS.keys()))

    layout = ctx.actions.declare_directory(ctx.label.name)
    digest = ctx.actions.declare_file(ctx.label.name + ".json.sha256")
    args = ctx.actions.args()
    args.add("image")
    args.add_all([layout], before_each = "--out", expand_directories = False)
    args.add("--digest-file", digest)

    descriptors = {}
    for target in ctx.attr.tars:
        descriptors |= _descriptors_of(target)
    inputs, layers = [], []
    for index, layer in enumerate(ctx.files.tars):
        described = descriptors.get(layer) or _describe(ctx, layer, index)
        args.add_all("--layer", [layer, described])
        inputs.append(described)
        layers.append(layer)
    args.add_all(ctx.attr.history, format_each = "--history=%s")
    args.add_all(ctx.attr.titles, format_each = "--title=%s")
    for name, count in ctx.attr.chain_ids.items():
        args.add("--chain-id=%s=%s" % (name, count))

    transitive = []
    if ctx.attr.base:
        args.add_all([layout_of(ctx.attr.base)], before_each = "--base", expand_directories = False)
        transitive.append(layout_inputs(ctx.attr.base))
    for name in ["os", "architecture", "variant", "user", "workdir", "stop_signal"]:
        if getattr(ctx.attr, name):
            args.add("--%s=%s" % (name.replace("_", "-"), getattr(ctx.attr, name)))
    for name in _FILES:
        file = getattr(ctx.file, name)
        if file:
            args.add("--" + name.replace("_", "-"), file)
            inputs.append(file)

    ctx.actions.run(
        executable = ctx.executable._image_tool,
        arguments = [args],
        # The layers are inputs because those that are source files are copied.
        inputs = depset(inputs + layers, transitive = transitive),
        outputs = [layout, digest],
        mnemonic = "OCIImage",
        progress_message = "Writing OCI image %{label}",
        resource_set = _RESOURCE_SETS[ctx.attr.resource_set],
    )
    return [
        DefaultInfo(
            files = depset([layout]),
            # The layout links to the layers: who reads it needs them too.
            runfiles = ctx.runfiles(layers, transitive_files = depset(transitive = transitive)),
        ),
        OutputGroupInfo(digest = depset([digest])),
    ]

oci_image = rule(
    implementation = _oci_image_impl,
    doc = "An image as an OCI layout: a directory of index.json, oci-layout and blobs.",
    attrs = {
        "architecture": attr.string(doc = "GOARCH of the programs inside, like amd64. Mandatory without `base`."),
        "base": attr.label(
            doc = "The image to build on, as an OCI layout.",
            allow_single_file = True,
        ),
        "chain_ids": attr.string_dict(
            doc = "Label and annotation -> number of layers from the lowest: it gets their chain ID, " +
                  "which says of images that they lie on the same layers. Not in upstream's API.",
        ),
        "history": attr.string_list(
            doc = "One text a layer, which `docker history` shows. Not in upstream's API.",
        ),
        "os": attr.string(doc = "GOOS of the programs inside, like linux. Mandatory without `base`."),
        "resource_set": attr.string(
            doc = "What Bazel reserves for the action: " + ", ".join(_RESOURCE_SETS.keys()) + ".",
            default = "default",
        ),
        "stop_signal": attr.string(doc = "The signal that stops the program. Not in upstream's API."),
        "tars": attr.label_list(
            doc = "Layers, the lowest first. They are neither sorted nor compressed anew.",
            allow_files = [".tar", ".tgz", ".tar.gz", ".tzst", ".tar.zst"],
        ),
        "titles": attr.string_list(
            doc = "One text a layer: the folder in it that ORAS unpacks when it pulls the image, or nothing. " +
                  "Layers that are not gzip have none, which ORAS would not unpack. Not in upstream's API.",
        ),
        "user": attr.string(doc = "USER or UID[:GID] that the program runs as."),
        "variant": attr.string(doc = "Variant of the architecture, like v8."),
        "workdir": attr.string(doc = "The program's working directory."),
        "_image_tool": attr.label(
            doc = "Writes layouts.",
            default = "//bazel/oci/private:image",
            cfg = "exec",
            executable = True,
        ),
    } | {
        name: attr.label(doc = doc, allow_single_file = True)
        for name, doc in _FILES.items()
    },
    toolchains = [config_common.toolchain_type(TOOLCHAIN_TYPE, mandatory = False)],
)
