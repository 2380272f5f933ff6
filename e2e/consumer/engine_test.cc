// The engine of @paddle is there, and of the version that trained.

#include <iostream>
#include <string>

#include "paddle_inference_api.h"

int main() {
  const std::string version = paddle_infer::GetVersion();
  std::cout << version << "\n";
  return version.find("version: 2.6.2") == std::string::npos;
}
