// Makes small models for tests without Python: each input is copied to an
// output of the same type, and one parameter lies beside.
#ifndef CC_ENGINE_TEST_MODEL_H_
#define CC_ENGINE_TEST_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cc/engine/protobuf_writer.h"

namespace engine {

struct TestTensor {
  std::string name;
  int data_type;  // Paddle's VarType.Type: 5 is FP32.
  std::vector<int64_t> dims;
  int lod_level = 0;
};

inline std::string TensorDescBytes(const TestTensor& tensor) {
  std::string bytes = Number(1, tensor.data_type);
  for (int64_t dim : tensor.dims) bytes += Number(2, dim);
  return bytes;
}

// VarDesc of a dense tensor.
inline std::string TensorVar(const TestTensor& tensor, bool persistable) {
  const std::string type =
      Number(1, 7) +
      Bytes(3, Bytes(1, TensorDescBytes(tensor)) + Number(2, tensor.lod_level));
  return Bytes(1, tensor.name) + Bytes(2, type) + Number(3, persistable);
}

// VarDesc of one of the two lists that stand for the world outside: kind is 9
// for feed, 10 for fetch.
inline std::string ListVar(const std::string& name, int kind) {
  return Bytes(1, name) + Bytes(2, Number(1, kind)) + Number(3, true);
}

// OpDesc with one input, one output and, unless negative, the attribute "col".
inline std::string Op(const std::string& type, const std::string& input,
                      const std::string& output, int column = -1) {
  std::string bytes =
      Bytes(1, Bytes(1, "X") + (input.empty() ? "" : Bytes(2, input))) +
      Bytes(2, Bytes(1, "Out") + (output.empty() ? "" : Bytes(2, output))) +
      Bytes(3, type);
  if (column >= 0) {
    bytes += Bytes(4, Bytes(1, "col") + Number(2, 0) + Number(3, column));
  }
  return bytes;
}

// OpDesc of y = x * weight.
inline std::string MatMul(const std::string& x, const std::string& weight,
                          const std::string& y) {
  std::string bytes = Bytes(1, Bytes(1, "X") + Bytes(2, x)) +
                      Bytes(1, Bytes(1, "Y") + Bytes(2, weight)) +
                      Bytes(2, Bytes(1, "Out") + Bytes(2, y)) +
                      Bytes(3, "matmul_v2");
  for (const char* name : {"trans_x", "trans_y"}) {
    bytes += Bytes(4, Bytes(1, name) + Number(2, 6) + Number(10, false));
  }
  return bytes;
}

// ProgramDesc of one block.
inline std::string Program(const std::vector<std::string>& variables,
                           const std::vector<std::string>& operators) {
  std::string block = Number(1, 0) + Number(2, -1);
  for (const std::string& variable : variables) block += Bytes(3, variable);
  for (const std::string& op : operators) block += Bytes(4, op);
  return Bytes(1, block) + Bytes(4, Number(1, 2006002));
}

// One tensor of a parameter file.
inline std::string Parameter(const TestTensor& tensor,
                             const std::string& data) {
  const std::string desc = TensorDescBytes(tensor);
  const uint32_t size = static_cast<uint32_t>(desc.size());
  std::string bytes(4 + 8 + 4, '\0');
  bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
  return bytes + desc + data;
}

// A program that copies each tensor NAME to NAME_out.
inline std::string CopyProgram(const std::vector<TestTensor>& tensors) {
  std::vector<std::string> variables = {
      ListVar("feed", 9), ListVar("fetch", 10),
      TensorVar({"weight", 5, {2, 3}}, /*persistable=*/true)};
  std::vector<std::string> feeds, copies, fetches;
  for (size_t i = 0; i < tensors.size(); ++i) {
    TestTensor out = tensors[i];
    out.name += "_out";
    variables.push_back(TensorVar(tensors[i], /*persistable=*/false));
    variables.push_back(TensorVar(out, /*persistable=*/false));
    const int column = static_cast<int>(i);
    feeds.push_back(Op("feed", "feed", tensors[i].name, column));
    copies.push_back(Op("assign", tensors[i].name, out.name));
    fetches.push_back(Op("fetch", out.name, "fetch", column));
  }
  feeds.insert(feeds.end(), copies.begin(), copies.end());
  feeds.insert(feeds.end(), fetches.begin(), fetches.end());
  return Program(variables, feeds);
}

inline std::string CopyParameters() {
  return Parameter({"weight", 5, {2, 3}}, std::string(24, '\0'));
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Writes DIRECTORY/model.pdmodel and model.pdiparams; returns DIRECTORY.
inline std::string WriteModel(const std::string& directory,
                              const std::string& program,
                              const std::string& parameters) {
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/model.pdmodel", std::ios::binary) << program;
  std::ofstream(directory + "/model.pdiparams", std::ios::binary) << parameters;
  return directory;
}

}  // namespace engine

#endif  // CC_ENGINE_TEST_MODEL_H_
