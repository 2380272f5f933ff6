#!/bin/sh
# CPython of the root, on the root's own ld.so and libraries. It lies in
# root/usr/bin, from where Python finds its prefix.
r=${0%/*}/../..
l=$r/lib/x86_64-linux-gnu
export PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
exec "$l/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$l:$r/usr/lib/x86_64-linux-gnu" --argv0 "$0" "$r/usr/bin/python3.11" "$@"
