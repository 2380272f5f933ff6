// A libnvidia-ml.so.1 for tests: the functions of NVIDIA's management library
// that cc/telemetry/nvml.cc calls. The file that FAKE_NVML names says what it
// plays; without it two GPUs that work.
//   no_driver   what nvmlInit gives
//   lost        the second GPU is gone
//   hang        as long as the file says so no reading ends
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int plays(const char* what) {
  const char* path = getenv("FAKE_NVML");
  FILE* file = path != NULL ? fopen(path, "re") : NULL;
  char play[32] = "";
  if (file != NULL) {
    if (fgets(play, sizeof(play), file) == NULL) play[0] = '\0';
    fclose(file);
  }
  return strcmp(play, what) == 0;
}

static char devices[2];

int nvmlInit_v2(void) { return plays("no_driver") ? 9 : 0; }

const char* nvmlErrorString(int error) {
  return error == 9 ? "Driver Not Loaded" : "Unknown Error";
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  while (plays("hang")) usleep(10000);
  *count = 2;
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned number, void** device) {
  if (number > 1) return 2;
  if (number == 1 && plays("lost")) return 15;
  *device = &devices[number];
  return 0;
}

int nvmlDeviceGetUUID(void* device, char* uuid, unsigned size) {
  return snprintf(uuid, size, "GPU-%d", device == &devices[1]) > 0 ? 0 : 1;
}

int nvmlDeviceGetName(void* device, char* name, unsigned size) {
  const char* told = device == &devices[1] ? "Fake T4" : "Fake A10";
  return snprintf(name, size, "%s", told) > 0 ? 0 : 1;
}

int nvmlDeviceGetUtilizationRates(void* device, unsigned percent[2]) {
  percent[0] = device == &devices[1] ? 0 : 25;
  percent[1] = 1;
  return 0;
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long bytes[3]) {
  bytes[0] = (device == &devices[1] ? 16ull : 24ull) << 30;
  bytes[2] = 1ull << 30;
  bytes[1] = bytes[0] - bytes[2];
  return 0;
}

int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* degrees) {
  (void)device;
  *degrees = 61;
  return sensor == 0 ? 0 : 2;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  if (device == &devices[1]) return 3;
  *milliwatts = 75500;
  return 0;
}
