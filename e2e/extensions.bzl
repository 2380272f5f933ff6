"""Module extension that packs this tree as a release would, for the test of workspaces that depend on it."""

_FOLDERS = ["bazel", "cc", "images", "python", "tools"]
_CONSUMER = "e2e/consumer"

def _source_archive_impl(rctx):
    for folder in _FOLDERS:
        rctx.watch_tree(rctx.workspace_root.get_child(folder))

    # Not as a tree: whoever builds there has links in it, to output folders that lead back to here.
    for folder in [rctx.workspace_root, rctx.workspace_root.get_child(_CONSUMER)]:
        for file in folder.readdir():
            if not file.is_dir:
                rctx.watch(file)
    rctx.watch(rctx.attr._pack)
    done = rctx.execute([rctx.attr._python, rctx.attr._pack, rctx.workspace_root, "paddle_images.tar.gz", _CONSUMER] + _FOLDERS)
    if done.return_code:
        fail("The tree cannot be packed:\n" + done.stderr)
    rctx.file("BUILD.bazel", "exports_files([\"paddle_images.tar.gz\"])\n")

_source_archive = repository_rule(
    doc = "The file `paddle_images.tar.gz`.",
    implementation = _source_archive_impl,
    attrs = {
        "_pack": attr.label(default = "//e2e:pack.py"),
        "_python": attr.label(default = "@debian_python//:root/usr/bin/python3"),
    },
)

def _sources_impl(_mctx):
    _source_archive(name = "source_archive")

sources = module_extension(
    doc = "Repository `source_archive`.",
    implementation = _sources_impl,
)
