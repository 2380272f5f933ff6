// Preloaded into QEMU: lets a fork of a program that has threads start new ones.
//
// A fork has none of its parent's other threads, so QEMU gives their numbers
// out again; but the table of threads that its plugins have still holds them,
// and QEMU 7.2 takes it for a fault of its own (plugins/core.c,
// qemu_plugin_vcpu_init_hook) that a number was there before. Here what is
// inserted is always new, which nothing else that emulates asks for.

#define _GNU_SOURCE
#include <dlfcn.h>

// https://docs.gtk.org/glib/type_func.HashTable.insert.html
int g_hash_table_insert(void* table, void* key, void* value) {
  static int (*insert)(void*, void*, void*);
  if (!insert) *(void**)&insert = dlsym(RTLD_NEXT, "g_hash_table_insert");
  insert(table, key, value);
  return 1;
}
