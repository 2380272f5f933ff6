"""oci_image_index_rule: one image for several platforms, as an OCI layout."""

load(":common.bzl", "layout_inputs", "layout_of")

def _platforms_impl(settings, attr):
    if not attr.platforms:
        return {"unchanged": {"//command_line_option:platforms": settings["//command_line_option:platforms"]}}
    return {
        str(platform): {"//command_line_option:platforms": str(platform)}
        for platform in attr.platforms
    }

_platforms = transition(
    implementation = _platforms_impl,
    inputs = ["//command_line_option:platforms"],
    outputs = ["//command_line_option:platforms"],
)

def _oci_image_index_impl(ctx):
    images = [image for images in ctx.split_attr.images.values() for image in images]
    if ctx.attr.platforms and len(images) != len(ctx.attr.platforms):
        fail("'platforms' builds one image for every platform: give %s exactly one image" % ctx.label)

    layout = ctx.actions.declare_directory(ctx.label.name)
    digest = ctx.actions.declare_file(ctx.label.name + ".json.sha256")
    args = ctx.actions.args()
    args.add("index")
    args.add_all([layout], before_each = "--out", expand_directories = False)
    args.add("--digest-file", digest)
    args.add_all([layout_of(image) for image in images], before_each = "--image", expand_directories = False)
    inputs = []
    if ctx.file.annotations:
        args.add("--annotations", ctx.file.annotations)
        inputs.append(ctx.file.annotations)

    transitive = [layout_inputs(image) for image in images]
    ctx.actions.run(
        executable = ctx.executable._image_tool,
        arguments = [args],
        inputs = depset(inputs, transitive = transitive),
        outputs = [layout, digest],
        mnemonic = "OCIIndex",
        progress_message = "Writing OCI image index %{label}",
    )
    return [
        DefaultInfo(
            files = depset([layout]),
            runfiles = ctx.runfiles(transitive_files = depset(transitive = transitive)),
        ),
        OutputGroupInfo(digest = depset([digest])),
    ]

oci_image_index = rule(
    implementation = _oci_image_index_impl,
    doc = "Images for several platforms under one digest, as an OCI layout.",
    attrs = {
        "annotations": attr.label(
            doc = "File of key=value lines: annotations of the index.",
            allow_single_file = True,
        ),
        "images": attr.label_list(
            doc = "The images, one a platform.",
            cfg = _platforms,
            mandatory = True,
        ),
        "platforms": attr.label_list(
            doc = "Platforms to build the only image of `images` for. Empty: the images are taken as they are.",
        ),
        "_allowlist_function_transition": attr.label(
            doc = "Lets the rule change the platform of its images.",
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
        "_image_tool": attr.label(
            doc = "Writes layouts.",
            default = "//bazel/oci/private:image",
            cfg = "exec",
            executable = True,
        ),
    },
)
