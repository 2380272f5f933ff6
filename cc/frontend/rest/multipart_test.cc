#include "cc/frontend/rest/multipart.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using ::testing::HasSubstr;

std::string Boundary(absl::string_view content_type) {
  const auto boundary = FormBoundary(content_type);
  if (!boundary.ok()) return std::string(boundary.status().message());
  return boundary->value_or("no form");
}

TEST(Multipart, TheContentTypeTellsTheBoundary) {
  EXPECT_EQ(Boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(
      Boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a;b\\\"c\""),
      "a;b\"c");
  EXPECT_EQ(Boundary("image/png"), "no form");
  EXPECT_EQ(Boundary(""), "no form");
  EXPECT_THAT(Boundary("multipart/form-data"), HasSubstr("has no boundary"));
  EXPECT_THAT(Boundary("multipart/form-data; boundary="),
              HasSubstr("has no boundary"));
  EXPECT_THAT(Boundary(absl::StrCat("multipart/form-data; boundary=",
                                    std::string(71, 'x'))),
              HasSubstr("1 to 70"));
}

constexpr char kForm[] =
    "--b\r\n"
    "Content-Disposition: form-data; name=\"lang\"\r\n"
    "\r\n"
    "zh\r\n"
    "--b\r\n"
    "content-disposition: form-data; name=\"image\"; filename=\"\xe4\xb8\x80; "
    "\\\"x\\\".png\"\r\n"
    "Content-Type: image/png\r\n"
    "\r\n"
    "\x89PNG\r\n--a\r\n--\r\n\r\n"
    "--b--\r\n";

TEST(Multipart, PartsAreFoundAndCutExactly) {
  const auto parts = ReadForm(absl::Cord(kForm), "b", 2);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 2);
  EXPECT_EQ(parts->at(0).name, "lang");
  EXPECT_FALSE(parts->at(0).file);
  EXPECT_EQ(parts->at(0).content, "zh");
  EXPECT_EQ(parts->at(1).name, "image");
  EXPECT_TRUE(parts->at(1).file);
  EXPECT_EQ(parts->at(1).content, "\x89PNG\r\n--a\r\n--\r\n");
}

TEST(Multipart, EmptyPartsAndFormsAreSuch) {
  const auto parts = ReadForm(
      absl::Cord("preamble\r\n--b  \r\n\r\n--b\r\nX: y\r\n\r\n\r\n--b--"), "b",
      2);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 2);
  EXPECT_EQ(parts->at(0).content, "");
  EXPECT_EQ(parts->at(1).content, "");
  const auto none = ReadForm(absl::Cord("--b--\r\n"), "b", 2);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_TRUE(none->empty());
}

TEST(Multipart, WhatIsNoFormIsRefused) {
  const std::string form = kForm;
  const auto error = [](absl::string_view body, size_t parts = 2) {
    return std::string(
        ReadForm(absl::Cord(body), "b", parts).status().message());
  };
  EXPECT_THAT(error("what"), HasSubstr("is not there"));
  EXPECT_THAT(error(""), HasSubstr("is not there"));
  EXPECT_THAT(error(form, 1), HasSubstr("more than 1 parts"));
  // Cut anywhere before its last boundary, it is no form.
  for (size_t size = 0; size + 4 < form.size(); ++size) {
    EXPECT_THAT(error(form.substr(0, size)), HasSubstr("is no multipart"))
        << size;
  }
}

}  // namespace
}  // namespace rest
