#!/bin/sh
# Tells Bazel the commit, which images name: docs/images.md, "Labels". Where git does not know it,
# PADDLE_IMAGES_REVISION may tell it.
# Only of a repository of this very folder: another may lie around it.
if [ -e .git ] && revision=$(git rev-parse --verify HEAD 2>/dev/null); then
  # Files that git does not track do not count: a note beside the sources must not change digests.
  GIT_OPTIONAL_LOCKS=0 git diff --quiet HEAD -- || revision=$revision-dirty
else
  revision=${PADDLE_IMAGES_REVISION:-}
fi
[ -z "$revision" ] || echo "STABLE_REVISION $revision"
