#!/bin/sh
# run PROGRAM [ARGUMENT...]: runs an ELF program that was built here on the ld.so,
# libc and libraries that images ship (the package set `inference`); scripts
# start as they are. What was built for another machine runs in QEMU, if one is
# named; what such a program starts itself does not.
# It is --run_under of tests, so that they see one run time on every host.
# Only what the shell itself can do: a PATH need not have a single program.
first=
[ -r "$1" ] && IFS= read -r first <"$1"
case $first in
?ELF*) ;;
*) exec "$@" ;;
esac
for r in "${RUNFILES_DIR:-$0.runfiles}" "$0.runfiles" "$PWD/.."; do
  [ -d "$r/ROOT" ] && break
done
q=QEMU
q=${q:+"$r/$q"}
r=$r/ROOT
for l in "$r"/lib/*-linux-gnu; do break; done
exec ${q:+"$q"} "$l"/ld-linux-*.so.* --inhibit-cache --library-path "$l:$r/usr/lib/${l##*/}" "$@"
