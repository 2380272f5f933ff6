#!/bin/sh
# perf_analyzer [ARGUMENT...]: Triton's, out of tritonclient's wheel, on the ld.so and libraries
# of the lock. Only what the shell itself can do: a PATH need not have a single program.
for r in "${RUNFILES_DIR:-$0.runfiles}" "$0.runfiles" "$PWD/.."; do
  [ -d "$r/ROOT" ] && break
done
# Absolute: files that arguments name lie where the user stands.
r=$(cd "$r" && pwd)
cd "${BUILD_WORKING_DIRECTORY:-.}" || exit
root=$r/ROOT
for l in "$root"/lib/*-linux-gnu; do break; done
libraries=$l:$root/usr/lib/${l##*/}:$r/CUDA/nvidia/cuda_runtime/lib
exec "$l"/ld-linux-*.so.* --inhibit-cache --library-path "$libraries" --argv0 perf_analyzer \
  "$r/CLIENT/bin/perf_analyzer" "$@"
