#include <gtest/gtest.h>

#include <string>

#include "bazel/toolchains/testdata/point.pb.h"

// Code of the locked protoc compiles with the locked headers, links the locked
// archive, and speaks the wire format.
TEST(Protoc, GeneratedCodeEncodesTheWireFormat) {
  testdata::Point point;
  point.set_x(150);
  point.set_name("数字");

  const std::string wire = point.SerializeAsString();
  // https://protobuf.dev/programming-guides/encoding: tag 1 varint 150, tag 2
  // with 6 bytes of UTF-8.
  EXPECT_EQ(wire, "\x08\x96\x01\x12\x06\xe6\x95\xb0\xe5\xad\x97");

  testdata::Point parsed;
  ASSERT_TRUE(parsed.ParseFromString(wire));
  EXPECT_EQ(parsed.x(), 150);
  EXPECT_EQ(parsed.name(), "数字");
}
