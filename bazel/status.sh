#!/bin/sh
# Tells Bazel the commit, which images name: docs/images.md, "Labels". In a tree without git
# PADDLE_IMAGES_REVISION may tell it.
revision=${PADDLE_IMAGES_REVISION:-}
if [ -z "$revision" ]; then
  # Only of a repository of this very folder: another may lie around it.
  [ -e .git ] && revision=$(git rev-parse --verify HEAD 2>/dev/null) || exit 0
  # Files that git does not track do not count: a note beside the sources must not change digests.
  GIT_OPTIONAL_LOCKS=0 git diff --quiet HEAD -- || revision=$revision-dirty
fi
echo "STABLE_REVISION $revision"
