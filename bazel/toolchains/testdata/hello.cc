// What a C++17 toolchain must bring: headers, libstdc++, libm, threads.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <thread>

int main() {
  double root = 0;
  std::thread([&] { root = std::sqrt(1764.0); }).join();
  try {
    throw std::runtime_error("caught");
  } catch (const std::exception& e) {
    std::cout << root << " " << e.what() << " "
              << std::filesystem::exists("/usr/include") << "\n";
  }
}
