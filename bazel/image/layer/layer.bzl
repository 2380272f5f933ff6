"""The rule of all layers: a recipe for the layer tool, and the tool's run."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("@rules_python//python:defs.bzl", "PyInfo", "PyRuntimeInfo")
load("//bazel/image/base:worker.bzl", "run_worker")
load("//bazel/platforms:table.bzl", "DIST_PACKAGES")
load("//bazel/toolchains:required.bzl", "require_python")

LayerInfo = provider(
    doc = "What is in a layer, and what it and those below it have, so that no layer above brings it again.",
    fields = {
        "contents": "File of what is in the layer itself; see layer_contents.py.",
        "packages": "depset of .deb files",
        "wheels": "depset of unpacked wheels, directories",
    },
)

def _entries(path, target):
    """Where the files of a target go: path, file, whether an action made it.

    One file goes to the path itself, a directory's contents below it. Several
    files of one target go below it by their paths in their package.
    """
    files = target[DefaultInfo].files.to_list()
    if len(files) == 1:
        return [[path, files[0].path, not files[0].is_source]]
    entries = []
    for file in files:
        inside = file.short_path
        if inside.startswith("../"):
            inside = inside.split("/", 2)[2]
        entries.append(["%s/%s" % (path, inside.removeprefix(target.label.package + "/")), file.path, not file.is_source])
    return entries

def _wheels(target):
    """The unpacked wheels of a target, with all that it requires."""
    files = target[DefaultInfo].files.to_list() + target[DefaultInfo].default_runfiles.files.to_list()
    return [file for file in files if file.basename == "site-packages" and file.short_path.startswith("../")]

def _name_of_wheel(file):
    return file.owner.workspace_name.rpartition("pypi_")[2]

def _python_sources(ctx, target):
    """Path in the image -> file, of sources and data; import roots and roots of repositories become /app."""
    roots = [path + "/" for path in target[PyInfo].imports.to_list()]
    roots = sorted(roots, key = len, reverse = True)
    runtime = target[PyRuntimeInfo]
    left_out = _wheels(target) + [target[DefaultInfo].files_to_run.executable]
    left_out += runtime.files.to_list() + [runtime.interpreter] + ctx.files.without
    left_out = {file: True for file in left_out}
    entries = {}
    for file in target[DefaultInfo].default_runfiles.files.to_list():
        if file in left_out:
            continue
        path = file.short_path
        path = path[3:] if path.startswith("../") else ctx.workspace_name + "/" + path
        root = ([root for root in roots if path.startswith(root)] or [path.partition("/")[0] + "/"])[0]
        inside = "%s/%s" % (ctx.attr.program_folder, path.removeprefix(root))
        if inside in entries:
            fail("%s: %s and %s of %s would both be /%s of the image" % (ctx.label, entries[inside].short_path, file.short_path, target.label, inside))
        entries[inside] = file
    return entries

def _module_of(ctx, target, name, sources):
    """The module that a py_binary runs: NAME.py of its package, as is Bazel's convention."""
    repository = target.label.workspace_name
    folders = (["..", repository] if repository else []) + ([target.label.package] if target.label.package else [])
    main = "/".join(folders + [name + ".py"])
    for path, file in sources.items():
        if file.short_path == main:
            inside = path.removeprefix(ctx.attr.program_folder + "/")
            return inside.removesuffix(".py").replace("/", ".")
    return fail("%s: %s has no source %s, which an image could run" % (ctx.label, target.label, main))

_SUFFIXES = {"gzip": "gz", "zstd": "zst"}

# It compresses on all processors.
def _two_processors(_os, _inputs):
    return {"cpu": 2}

def _layer_impl(ctx):
    require_python(ctx, ctx.attr._tool)
    below = [target[LayerInfo] for target in ctx.attr.below]
    known = {
        file: True
        for info in below
        for file in info.packages.to_list() + info.wheels.to_list()
    }
    packages = [file for file in ctx.files.packages if file not in known]
    wheels = {file: True for target in ctx.attr.wheels for file in _wheels(target) if file not in known}.keys()

    files, inputs = [], []
    for target, path in ctx.attr.files.items():
        files += _entries(path, target)
    modes = dict(ctx.attr.modes)
    for target, name in ctx.attr.programs.items():
        program = target[DefaultInfo].files_to_run.executable
        path = "%s/bin/%s" % (ctx.attr.program_folder, name)
        files.append([path, program.path, True])
        inputs.append(program)
        modes[path] = "0755"
    python_programs = {}
    for target, name in ctx.attr.python_programs.items():
        missing = [
            _name_of_wheel(file)
            for file in _wheels(target)
            if file not in known and file not in wheels
        ]
        if missing:
            fail("%s: %s needs the wheels %s, which no layer below has" % (ctx.label, target.label, ", ".join(missing)))
        sources = _python_sources(ctx, target)
        path = "%s/bin/%s" % (ctx.attr.program_folder, name)
        python_programs[path] = _module_of(ctx, target, name, sources)
        files += [[path, file.path, not file.is_source] for path, file in sources.items()]
        inputs += sources.values()

    compression = ctx.attr._compression[BuildSettingInfo].value
    recipe = ctx.actions.declare_file(ctx.label.name + ".recipe.json")
    ctx.actions.write(recipe, json.encode_indent({
        "below": [entry for target, path in ctx.attr.below_files.items() for entry in _entries(path, target)],
        "compile_python": ctx.attr.compile_python,
        "compression": compression,
        "debs": [file.path for file in packages],
        "dirs": ctx.attr.dirs,
        "drop": ctx.attr.drop,
        "exclude": ctx.attr.exclude,
        "files": files,
        "keep": ctx.attr.keep,
        "label": str(ctx.label),
        "modes": modes,
        "owner": ctx.attr.owner,
        "python_programs": python_programs,
        "scripts": ctx.attr.scripts,
        "symlinks": ctx.attr.symlinks,
        "texts": ctx.attr.texts,
        "wheel_folder": ctx.attr.wheel_folder,
        "wheels": [file.path for file in wheels],
    }))
    out = ctx.actions.declare_file("%s.tar.%s" % (ctx.label.name, _SUFFIXES[compression]))
    descriptor = ctx.actions.declare_file(ctx.label.name + ".descriptor.json")
    contents = ctx.actions.declare_file(ctx.label.name + ".contents.json")
    run_worker(
        ctx,
        ctx.actions.args().add_all([recipe, out, descriptor, contents]),
        inputs = [recipe] + packages + wheels + inputs + ctx.files.files + ctx.files.below_files,
        outputs = [out, descriptor, contents],
        mnemonic = "ImageLayer",
        progress_message = "Writing image layer %{label}",
        resource_set = _two_processors,
    )
    return [
        DefaultInfo(files = depset([out])),
        # oci_image of bazel/oci takes it, so the layer is hashed once.
        OutputGroupInfo(oci_descriptor = depset([descriptor])),
        LayerInfo(
            contents = contents,
            packages = depset(packages, transitive = [info.packages for info in below]),
            wheels = depset(wheels, transitive = [info.wheels for info in below]),
        ),
    ]

layer = rule(
    implementation = _layer_impl,
    doc = "One layer of an image, as a deterministic tar archive. defs.bzl has the kinds of layers.",
    attrs = {
        "below": attr.label_list(
            doc = "Layers below this one: packages and wheels that they have stay out.",
            providers = [LayerInfo],
        ),
        "below_files": attr.label_keyed_string_dict(
            doc = "File -> path where a layer below has it, like `files`: wheels leave it out, and tell of it.",
            allow_files = True,
        ),
        "compile_python": attr.bool(doc = "Byte-compile Python modules that are not."),
        "dirs": attr.string_dict(doc = "Folder -> mode, or mode and owner: `1777`, `0755 65532:65532`."),
        "drop": attr.string_list(doc = "Glob patterns, within the directories of `files` and `wheels`, of what to leave out."),
        "exclude": attr.string_list(doc = "Glob patterns, of paths in the image, of what to leave out."),
        "files": attr.label_keyed_string_dict(
            doc = "File -> path in the image; a directory's contents go below the path.",
            allow_files = True,
        ),
        "keep": attr.string_list(doc = "Glob patterns, within the directories of `files` and `wheels`, of all that is taken; by default everything."),
        "modes": attr.string_dict(doc = "Path -> mode; where nothing is said, 0755 for a source that is executable, 0644 for all else."),
        "owner": attr.string(doc = "UID:GID of what `dirs`, `files` and `texts` make.", default = "0:0"),
        "packages": attr.label_list(doc = "Debian packages.", allow_files = [".deb"]),
        "program_folder": attr.string(doc = "Where the programs go, to bin in it.", default = "app"),
        "programs": attr.label_keyed_string_dict(doc = "Executable -> its name in the image; runfiles stay out."),
        "python_programs": attr.label_keyed_string_dict(
            doc = "py_binary -> its name in the image and that of its main source: their sources and data, and an " +
                  "executable for each. Their wheels are in layers below.",
            providers = [PyInfo, PyRuntimeInfo],
        ),
        "scripts": attr.string_list(doc = "Console scripts of the wheels to make in /usr/local/bin."),
        "symlinks": attr.string_dict(doc = "Path -> target."),
        "texts": attr.string_dict(doc = "Path -> contents."),
        "wheel_folder": attr.string(
            doc = "Where wheels go.",
            default = DIST_PACKAGES,
        ),
        "wheels": attr.label_list(doc = "`@pypi//NAME`, with all that it requires; `@pypi//NAME:site_packages`, it alone."),
        "without": attr.label_list(
            doc = "Data of `python_programs` that an image does without, or has at another place.",
            allow_files = True,
        ),
        "_compression": attr.label(default = "//bazel/image/settings:compression"),
        "_tool": attr.label(
            doc = "Writes the archive.",
            default = "//bazel/image/layer:layer",
            cfg = "exec",
            executable = True,
        ),
    },
)
