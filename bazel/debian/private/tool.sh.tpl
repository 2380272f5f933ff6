#!/bin/sh
# Runs a program of this root with the root's own ld.so and libraries, so that
# neither the host's glibc nor its libraries matter.
r=${0%/*}/../root
for l in "$r"/lib/*-linux-gnu; do break; done
exec "$l"/ld-linux-*.so.* --inhibit-cache --library-path "$l:$r/usr/lib/${l##*/}" --argv0 "$0" "$r/{path}" "$@"
