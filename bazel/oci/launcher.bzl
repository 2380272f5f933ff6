"""Executables of rules: a program of the runfiles, with words before those of the user."""

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
