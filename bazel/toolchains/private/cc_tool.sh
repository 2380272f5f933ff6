#!/bin/sh
# Runs a tool of gcc or binutils on the root's own ld.so and libraries. The file
# name says which tool: copies of this script lie in root/usr/bin (the drivers;
# argv[0] must stay there, since gcc finds its parts from it) and in wrap/.
d=${0%/*}
n=${0##*/}
case $d in
  */wrap) r=$d/../root ;;
  *) r=$d/../.. ;;
esac
# A root is of one machine and has one gcc, which may be for another machine.
for l in "$r"/lib/*-linux-gnu; do break; done
a=$0
case $n in
  gcc | g++ | cpp | gcov) for p in "$r"/usr/bin/*-linux-gnu-"$n"-[0-9]*; do break; done ;;
  cc1 | cc1plus | collect2 | lto1 | lto-wrapper) for p in "$r"/usr/lib*/gcc*/*/*/"$n"; do a=$p; done ;;
  ld) for p in "$r"/usr/bin/*-linux-gnu-ld.bfd; do a=$p; done ;;
  *) for p in "$r"/usr/bin/*-linux-gnu-"$n"; do a=$p; done ;;
esac
exec "$l"/ld-linux-*.so.* --inhibit-cache --library-path "$l:$r/usr/lib/${l##*/}" --argv0 "$a" "$p" "$@"
