#!/bin/sh
# CPython of the root, on the root's own ld.so and libraries. It lies in
# root/usr/bin, from where Python finds its prefix.
r=${0%/*}/../..
for l in "$r"/lib/*-linux-gnu; do break; done
for p in "$r"/usr/bin/python3.[0-9]*; do break; done
export PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
exec "$l"/ld-linux-*.so.* --inhibit-cache --library-path "$l:$r/usr/lib/${l##*/}" --argv0 "$0" "$p" "$@"
