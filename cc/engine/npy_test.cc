#include "cc/engine/npy.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Npy(const std::string& header, const std::string& data,
                int major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(major);
  bytes += '\0';
  uint32_t size = static_cast<uint32_t>(header.size());
  bytes.append(reinterpret_cast<const char*>(&size), major == 1 ? 2 : 4);
  return bytes + header + data;
}

std::string HeaderOf(const std::string& descr, const std::string& shape,
                     const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran +
         ", 'shape': " + shape + ", }\n";
}

void ExpectInvalid(const std::string& bytes, const std::string& part) {
  const absl::StatusOr<Tensor> tensor = ReadNpy(bytes);
  EXPECT_EQ(tensor.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tensor.status().message()), HasSubstr(part));
}

TEST(WriteNpy, GivesTheBytesOfNumpy) {
  // numpy.save(f, numpy.arange(6, dtype='<f4').reshape(2, 3))
  std::string expected("\x93NUMPY\x01\x00v\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected += std::string(127 - expected.size(), ' ') + "\n";
  const float values[] = {0, 1, 2, 3, 4, 5};
  const std::string data(reinterpret_cast<const char*>(values), 24);
  EXPECT_EQ(WriteNpy({"", DataType::kFloat32, {2, 3}, data}), expected + data);
}

TEST(WriteNpy, SpellsTuplesAsPythonDoes) {
  EXPECT_THAT(WriteNpy({"", DataType::kInt64, {1}, std::string(8, 'x')}),
              HasSubstr("'<i8', 'fortran_order': False, 'shape': (1,), }"));
  EXPECT_THAT(WriteNpy({"", DataType::kBool, {}, "\1"}),
              HasSubstr("'|b1', 'fortran_order': False, 'shape': (), }"));
}

TEST(Npy, RoundTripsEveryType) {
  for (DataType type : {DataType::kBool, DataType::kUint8, DataType::kInt8,
                        DataType::kInt32, DataType::kInt64, DataType::kFloat16,
                        DataType::kFloat32, DataType::kFloat64}) {
    const Tensor tensor{"", type, {3, 1, 2}, std::string(6 * SizeOf(type), 1)};
    const std::string bytes = WriteNpy(tensor);
    EXPECT_EQ((bytes.size() - tensor.data.size()) % 64, 0u);
    const absl::StatusOr<Tensor> read = ReadNpy(bytes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->dtype, type);
    EXPECT_THAT(read->shape, ElementsAre(3, 1, 2));
    EXPECT_EQ(read->data, tensor.data);
  }
}

TEST(ReadNpy, TakesWhatNumpyMayWrite) {
  for (int major : {1, 2}) {
    const auto read =
        ReadNpy(Npy(HeaderOf("<i4", "(1, 2)"), "12345678", major));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_THAT(read->shape, ElementsAre(1, 2));
    EXPECT_EQ(read->data, "12345678");
  }
  EXPECT_THAT(ReadNpy(Npy(HeaderOf("<f8", "()"), "12345678"))->shape,
              IsEmpty());
  EXPECT_THAT(ReadNpy(Npy(HeaderOf("|u1", "(0, 5)"), ""))->shape,
              ElementsAre(0, 5));
  EXPECT_TRUE(ReadNpy(Npy(HeaderOf("<u1", "(2,)"), "ab")).ok());
  // A vector is in both orders at once; NumPy may say either.
  EXPECT_TRUE(ReadNpy(Npy(HeaderOf("|i1", "(2,)", "True"), "ab")).ok());
  EXPECT_TRUE(ReadNpy(Npy("{\"shape\":(2,),\"fortran_order\":False,"
                          "\"descr\":\"|b1\"}",
                          std::string("\1\0", 2)))
                  .ok());
}

TEST(Lod, LiesBesideTheTensor) {
  const std::string path = testing::TempDir() + "/x.npy";
  Tensor x{"x", DataType::kInt64, {3}, std::string(24, '\0')};
  ASSERT_TRUE(ReadLod(path, &x).ok());
  EXPECT_TRUE(x.lod.empty());  // no such file
  ASSERT_TRUE(WriteLod(path, x).ok());
  EXPECT_FALSE(std::filesystem::exists(testing::TempDir() + "/x.lod.npy"));

  x.lod = {{0, 1, 3}};
  ASSERT_TRUE(WriteLod(path, x).ok());
  Tensor again{"x", DataType::kInt64, {3}, ""};
  ASSERT_TRUE(ReadLod(path, &again).ok());
  EXPECT_EQ(again.lod, x.lod);

  EXPECT_THAT(std::string(WriteLod("-", x).message()),
              HasSubstr("no file beside -"));
  x.lod = {{0, 2}, {0, 1, 3}};
  EXPECT_THAT(std::string(WriteLod(path, x).message()),
              HasSubstr("have 2 levels"));
  std::ofstream(testing::TempDir() + "/x.lod.npy")
      << WriteNpy({"", DataType::kInt32, {1}, std::string(4, '\0')});
  EXPECT_THAT(std::string(ReadLod(path, &x).message()),
              HasSubstr("x.lod.npy: offsets (LoD) are INT64 of one "
                        "dimension, this is INT32"));
}

TEST(ReadNpy, SaysHowToConvert) {
  ExpectInvalid(Npy(HeaderOf("<f4", "(1, 2)", "True"), "12345678"),
                "ascontiguousarray");
  ExpectInvalid(Npy(HeaderOf(">f4", "(2,)"), "12345678"), "big-endian");
  ExpectInvalid(Npy(HeaderOf("<c8", "(1,)"), "12345678"), "astype");
  ExpectInvalid(Npy(HeaderOf("|O", "(1,)"), "12345678"), "astype");
  ExpectInvalid(Npy("{'descr': [('a', '<f4')], 'fortran_order': False, "
                    "'shape': (1,), }",
                    "1234"),
                "astype");
}

TEST(ReadNpy, RefusesWhatIsMalformed) {
  const std::string good = Npy(HeaderOf("<f4", "(1, 2)"), "12345678");
  ASSERT_TRUE(ReadNpy(good).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ReadNpy(good.substr(0, size)).ok()) << size;
  }
  ExpectInvalid(good + "9", "8 bytes of elements, it has 9");
  ExpectInvalid(Npy(HeaderOf("<f4", "(1,)"), "1234", 3), "version is 3.0");
  ExpectInvalid(Npy(HeaderOf("<f4", "(1,)") + std::string(20000, ' '), "1234"),
                "at most");
  // Sizes that overflow, or fit no memory.
  ExpectInvalid(
      Npy(HeaderOf("<f8", "(4294967296, 4294967296, 4294967296)"), ""),
      "bytes of elements");
  ExpectInvalid(Npy(HeaderOf("<f4", "(99999999999999999999,)"), ""),
                "malformed");
  for (const char* header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': ''}", "[1]",
        "{'descr': '', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': [('a', '<f4'), 'fortran_order': False, 'shape': (1,)}"}) {
    EXPECT_FALSE(ReadNpy(Npy(header, "1234")).ok()) << header;
  }
}

}  // namespace
}  // namespace engine
