#!/bin/sh
# Tells Bazel the commit, for builds with --stamp: see docs/images.md, "Labels".
# Without git, or outside of a repository, there is none.
revision=$(git rev-parse --verify HEAD 2>/dev/null) || exit 0
# Files that git does not know count: a build may read them.
[ -z "$(GIT_OPTIONAL_LOCKS=0 git status --porcelain)" ] || revision=$revision-dirty
echo "STABLE_REVISION $revision"
