"""What the rules share."""

_RUNFILES_LAUNCHER = """\
#!/bin/sh
# Finds the runfiles of this program and starts the one that does the work.
set -eu
if [ -d "$0.runfiles" ]; then
  r=$0.runfiles
elif [ -n "${RUNFILES_DIR:-}" ]; then
  r=$RUNFILES_DIR
else
  r=${0%%.runfiles/*}.runfiles
fi
case $r in /*) ;; *) r=$PWD/$r ;; esac
export RUNFILES_DIR="$r"
exec %s "$@"
"""

def shell_quote(text):
    """Quotes a text for a POSIX shell.

    Args:
      text: any text.

    Returns:
      one word of the shell.
    """
    return "'" + text.replace("'", "'\\''") + "'"

def runfile(ctx, file, flag = ""):
    """A word of a launcher: the path of a file among the runfiles.

    Args:
      ctx: the rule's context.
      file: the File.
      flag: what stands before it, like `--layout=`.

    Returns:
      a quoted shell word.
    """
    path = file.short_path
    path = path[3:] if path.startswith("../") else ctx.workspace_name + "/" + path
    return shell_quote(flag) + "\"$r\"" + shell_quote("/" + path)

def write_launcher(ctx, name, words):
    """Writes an executable that runs words with the user's arguments after them.

    Args:
      ctx: the rule's context.
      name: the file's name.
      words: shell words, made with `shell_quote` and `runfile`.

    Returns:
      the File.
    """
    launcher = ctx.actions.declare_file(name)
    ctx.actions.write(launcher, _RUNFILES_LAUNCHER % " ".join(words), is_executable = True)
    return launcher

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
