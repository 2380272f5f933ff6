// What the kernel starts programs of another machine with, where emulator.py
// has told it to (binfmt_misc): QEMU, on the loader and libraries of its own
// system, which an image lacks. It is linked statically for that reason.
//
//   emulate PROGRAM ARGV0 ARGUMENT...    as flag P of binfmt_misc gives them

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) {
    fputs("usage: emulate PROGRAM ARGV0 ARGUMENT...\n", stderr);
    return 2;
  }
  char* head[] = {LOADER,  "--inhibit-cache", "--preload", PRELOAD, "--library-path",
                  LIBRARIES, QEMU, "-0", argv[2], argv[1]};
  const int count = sizeof(head) / sizeof(head[0]);
  char** words = calloc((size_t)(count + argc), sizeof(*words));
  if (words == NULL) return 126;
  for (int i = 0; i < count; ++i) words[i] = head[i];
  for (int i = 3; i < argc; ++i) words[count + i - 3] = argv[i];
  execv(words[0], words);
  perror(words[0]);
  return 126;
}
