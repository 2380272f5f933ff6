// A libcuda.so.1 for tests: the functions of NVIDIA's driver that
// cc/engine/cuda_driver.cc calls. FAKE_CUDA names what it plays; without it two
// GPUs that work, of capabilities 8.6 and 7.5.
//   no_device, unknown_error   what cuInit gives
//   none                       it starts, and counts no GPU
//   old                        a driver of CUDA 10.2
//   hopper                     the second GPU has capability 9.0
//   all_hopper                 both have
//   no_memory                  the second GPU cannot allocate
//   wrong_bytes                the second GPU gives back other bytes
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int plays(const char* what) {
  const char* play = getenv("FAKE_CUDA");
  return play != NULL && strcmp(play, what) == 0;
}

static int current = -1;  // the device whose context is current
static int contexts[2];

int cuInit(unsigned flags) {
  if (flags != 0) return 1;
  if (plays("no_device")) return 100;
  return plays("unknown_error") ? 999 : 0;
}

int cuDriverGetVersion(int* version) {
  *version = plays("old") ? 10020 : 12020;
  return 0;
}

int cuDeviceGetCount(int* count) {
  *count = plays("none") ? 0 : 2;
  return 0;
}

int cuDeviceGet(int* device, int number) {
  *device = number;
  return number == 0 || number == 1 ? 0 : 101;
}

int cuDeviceGetName(char* name, int size, int device) {
  if (size < 16) return 1;
  strcpy(name, device == 0 ? "Fake A10" : "Fake T4");
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  int capability = device == 0 ? 86 : 75;
  if (plays("all_hopper") || (plays("hopper") && device == 1)) capability = 90;
  if (attribute == 75) *value = capability / 10;
  if (attribute == 76) *value = capability % 10;
  return attribute == 75 || attribute == 76 ? 0 : 1;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  *bytes = (size_t)(device == 0 ? 24 : 16) << 30;
  return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  *context = &contexts[device];
  ++contexts[device];
  return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  return --contexts[device] >= 0 ? 0 : 201;
}

int cuCtxPushCurrent_v2(void* context) {
  current = context == &contexts[0] ? 0 : 1;
  return 0;
}

int cuCtxPopCurrent_v2(void** context) {
  *context = &contexts[current];
  current = -1;
  return 0;
}

int cuMemAlloc_v2(uint64_t* memory, size_t bytes) {
  if (current < 0) return 201;
  if (plays("no_memory") && current == 1) return 2;
  *memory = (uint64_t)(uintptr_t)malloc(bytes);
  return 0;
}

int cuMemFree_v2(uint64_t memory) {
  free((void*)(uintptr_t)memory);
  return 0;
}

int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  memcpy((void*)(uintptr_t)to, from, bytes);
  return 0;
}

int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  memcpy(to, (const void*)(uintptr_t)from, bytes);
  if (plays("wrong_bytes") && current == 1) ((char*)to)[bytes - 1] ^= 1;
  return 0;
}

int cuGetErrorName(int error, const char** name) {
  switch (error) {
    case 2:
      *name = "CUDA_ERROR_OUT_OF_MEMORY";
      return 0;
    case 999:
      *name = "CUDA_ERROR_UNKNOWN";
      return 0;
  }
  *name = NULL;
  return 1;
}
