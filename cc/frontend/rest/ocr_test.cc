#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cc/frontend/rest/rest_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using ::testing::HasSubstr;

// Answers with the pictures themselves, as if they were pages.
absl::StatusOr<std::vector<infer::Tensor>> Echo(const infer::Request& request) {
  const infer::Tensor& image = request.inputs.at(0);
  if (absl::StrContains(std::string(image.data), "broken")) {
    return absl::InvalidArgumentError("it is no picture");
  }
  std::vector<float> times;
  for (int64_t i = 0; i < 3 * image.shape[0]; ++i) {
    times.push_back(static_cast<float>(i) + 0.5F);
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(times.data()),
                                times.size() * sizeof(float));
  return std::vector<infer::Tensor>{
      {"page", base::DataType::kBytes, image.shape, image.data},
      {"milliseconds",
       base::DataType::kFloat32,
       {image.shape[0], 3},
       absl::Cord(bytes)}};
}

class OcrTest : public RestTest {
 protected:
  void Serve() {
    infer::ModelInfo info;
    info.name = "ocr";
    info.version = "1";
    info.inputs = {{"image", base::DataType::kBytes, {-1}}};
    info.outputs = {{"page", base::DataType::kBytes, {-1}},
                    {"milliseconds", base::DataType::kFloat32, {-1, 3}}};
    info.max_batch_size = 2;
    ocr_ = std::make_shared<infer::FakeServable>(info, Echo);
    repository_.Add(ocr_);
  }
  Answered Ocr(absl::string_view body, std::vector<Header> headers = {}) {
    const auto answered = Start("POST", "/v1/ocr", body, std::move(headers));
    if (ocr_ != nullptr) ocr_->RunAll();
    EXPECT_TRUE(answered->response.has_value());
    return *answered;
  }
  std::shared_ptr<infer::FakeServable> ocr_;
};

std::string Form(const std::vector<std::string>& files) {
  std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n";
  for (const std::string& file : files) {
    absl::StrAppend(&form,
                    "--b\r\nContent-Disposition: form-data; name=\"image\"; "
                    "filename=\"a.png\"\r\n\r\n",
                    file, "\r\n");
  }
  return absl::StrCat(form, "--b--\r\n");
}

const std::vector<Header> kForm = {
    {"Content-Type", "multipart/form-data; boundary=b"}};

TEST_F(OcrTest, APictureIsAskedForAsItIs) {
  Serve();
  const Answered answered =
      Ocr(R"({"width":3})", {{"Content-Type", "image/png"}});
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.body(), R"({"pages":[{"width":3,"milliseconds":)"
                             R"({"decode":0.5,"detect":1.5,"read":2.5}}]})");
}

TEST_F(OcrTest, TheFilesOfAFormAreItsPictures) {
  Serve();
  const Answered answered = Ocr(Form({R"({"a":1})", R"({"b":2})"}), kForm);
  EXPECT_EQ(answered.status(), 200);
  EXPECT_EQ(answered.body(),
            R"({"pages":[{"a":1,"milliseconds":)"
            R"({"decode":0.5,"detect":1.5,"read":2.5}},{"b":2,"milliseconds":)"
            R"({"decode":3.5,"detect":4.5,"read":5.5}}]})");
}

TEST_F(OcrTest, WhatIsNoPictureIsRefusedInASentence) {
  Serve();
  EXPECT_EQ(Ocr("broken").status(), 400);
  EXPECT_THAT(Ocr("").body(), HasSubstr("--data-binary @page.png"));
  EXPECT_THAT(Ocr(Form({}), kForm).body(), HasSubstr("-F image=@page.png"));
  EXPECT_THAT(Ocr("what", kForm).body(), HasSubstr("no multipart/form-data"));
  EXPECT_THAT(Ocr("x", {{"Content-Type", "multipart/form-data"}}).body(),
              HasSubstr("has no boundary"));
  EXPECT_EQ(Ocr(Form({"{}", "{}", "{}"}), kForm).status(), 400);
  EXPECT_EQ(Call("GET", "/v1/ocr").status(), 405);
}

TEST_F(OcrTest, APageForPeopleIsThereWithTheModel) {
  EXPECT_EQ(Call("GET", "/ocr").status(), 404);
  Serve();
  const Answered page = Call("GET", "/ocr");
  EXPECT_EQ(page.status(), 200);
  EXPECT_EQ(page.response->content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.body(), HasSubstr("fetch(\"v1/ocr\""));
  EXPECT_THAT(page.header("Content-Security-Policy"),
              HasSubstr("default-src 'none'"));
}

TEST_F(OcrTest, WithoutSuchAModelItIsSaidHowToHaveIt) {
  const Answered answered = Ocr("x");
  EXPECT_EQ(answered.status(), 404);
  EXPECT_THAT(answered.body(), HasSubstr("--ocr_detector"));
}

}  // namespace
}  // namespace rest
