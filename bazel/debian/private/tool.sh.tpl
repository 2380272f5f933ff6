#!/bin/sh
# Runs a program of this root with the root's own ld.so and libraries, so that
# neither the host's glibc nor its libraries matter.
r=${0%/*}/../root
l=$r/lib/x86_64-linux-gnu
exec "$l/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$l:$r/usr/lib/x86_64-linux-gnu" --argv0 "$0" "$r/{path}" "$@"
