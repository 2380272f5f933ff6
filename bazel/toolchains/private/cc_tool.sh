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
t=x86_64-linux-gnu
a=$0
case $n in
  gcc | g++ | cpp | gcov) p=$r/usr/bin/$t-$n-12 ;;
  cc1 | cc1plus | collect2 | lto1 | lto-wrapper) p=$r/usr/lib/gcc/$t/12/$n a=$p ;;
  ld) p=$r/usr/bin/$t-ld.bfd a=$p ;;
  *) p=$r/usr/bin/$t-$n a=$p ;;
esac
exec "$r/lib/$t/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$r/lib/$t:$r/usr/lib/$t" --argv0 "$a" "$p" "$@"
