"""The rule of all layers: a recipe for the layer tool, and the tool's run."""

def _entries(path, target):
    """Where the files of a target go.

    One file goes to the path itself, a directory's contents below it. Several
    files of one target go below it by their paths in their package.
    """
    files = target[DefaultInfo].files.to_list()
    if len(files) == 1:
        return [[path, files[0].path]]
    entries = []
    for file in files:
        inside = file.short_path
        if inside.startswith("../"):
            inside = inside.split("/", 2)[2]
        entries.append(["%s/%s" % (path, inside.removeprefix(target.label.package + "/")), file.path])
    return entries

# It compresses on all processors.
def _two_processors(_os, _inputs):
    return {"cpu": 2}

def _layer_impl(ctx):
    files = []
    for target, path in ctx.attr.files.items():
        files += _entries(path, target)
    modes = dict(ctx.attr.modes)
    programs = [target[DefaultInfo].files_to_run.executable for target in ctx.attr.programs]
    for program in programs:
        path = "%s/%s" % (ctx.attr.program_folder, program.basename)
        files.append([path, program.path])
        modes[path] = "0755"

    recipe = ctx.actions.declare_file(ctx.label.name + ".recipe.json")
    ctx.actions.write(recipe, json.encode_indent({
        "debs": [file.path for file in ctx.files.packages],
        "dirs": ctx.attr.dirs,
        "drop": ctx.attr.drop,
        "exclude": ctx.attr.exclude,
        "files": files,
        "label": str(ctx.label),
        "modes": modes,
        "owner": ctx.attr.owner,
        "symlinks": ctx.attr.symlinks,
        "texts": ctx.attr.texts,
    }))
    out = ctx.actions.declare_file(ctx.label.name + ".tar.gz")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [recipe.path, out.path],
        inputs = [recipe] + ctx.files.packages + ctx.files.files + programs,
        outputs = [out],
        mnemonic = "ImageLayer",
        progress_message = "Writing image layer %{label}",
        resource_set = _two_processors,
    )
    return [DefaultInfo(files = depset([out]))]

layer = rule(
    implementation = _layer_impl,
    doc = "One layer of an image, as a deterministic tar archive. defs.bzl has the kinds of layers.",
    attrs = {
        "dirs": attr.string_dict(doc = "Folder -> mode, or mode and owner: `1777`, `0755 65532:65532`."),
        "drop": attr.string_list(doc = "Glob patterns, within the directories of `files`, of what to leave out."),
        "exclude": attr.string_list(doc = "Glob patterns, of paths in the image, of what to leave out."),
        "files": attr.label_keyed_string_dict(
            doc = "File -> path in the image; a directory's contents go below the path.",
            allow_files = True,
        ),
        "modes": attr.string_dict(doc = "Path -> mode; 0644 where nothing is said."),
        "owner": attr.string(doc = "UID:GID of what `dirs`, `files` and `texts` make.", default = "0:0"),
        "packages": attr.label_list(doc = "Debian packages.", allow_files = [".deb"]),
        "program_folder": attr.string(doc = "Where the programs go.", default = "app/bin"),
        "programs": attr.label_list(doc = "Executables, without their runfiles."),
        "symlinks": attr.string_dict(doc = "Path -> target."),
        "texts": attr.string_dict(doc = "Path -> contents."),
        "_tool": attr.label(
            doc = "Writes the archive.",
            default = "//bazel/image/private:layer",
            cfg = "exec",
            executable = True,
        ),
    },
)
