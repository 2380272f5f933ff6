// Bodies that come and answers that go compressed.
#include <string>

#include "absl/strings/str_cat.h"
#include "cc/frontend/coding/testing.h"
#include "cc/frontend/rest/rest_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using coding::Compressed;
using coding::Decompressed;
using coding::kGzipFormat;
using coding::kRawFormat;
using coding::kZlibFormat;

// Its JSON has so many bytes more.
std::string Padded(size_t bytes) {
  return absl::StrCat("{\"later\":\"", std::string(bytes, 'x'), "\",",
                      std::string(kBody).substr(1));
}

class CodedTest : public RestTest {
 protected:
  Answered Coded(absl::string_view body, std::vector<Header> headers) {
    const auto answered =
        Start("POST", "/v2/models/m/infer", body, std::move(headers));
    Await([&] { return answered->response.has_value(); });
    return *answered;
  }
  // An answer of some KB, or more.
  Answered Large(const char* accept, int rows = 400) {
    servable_ = std::make_shared<infer::FakeServable>(
        infer::FakeInfo("m", "3"),
        [rows](const infer::Request&)
            -> absl::StatusOr<std::vector<infer::Tensor>> {
          std::string zeros(static_cast<size_t>(rows) * 8, '\0');
          return std::vector<infer::Tensor>{
              {"y", base::DataType::kFloat32, {rows, 2}, absl::Cord(zeros)}};
        });
    repository_.Add(servable_);
    const auto answered = Start("POST", "/v2/models/m/versions/3/infer", kBody,
                                {Header("Accept-Encoding", accept)});
    servable_->RunAll();
    Await([&] { return answered->response.has_value(); });
    return *answered;
  }
};

TEST_F(CodedTest, ABodyMayBeCompressed) {
  for (const auto& [name, format] :
       {std::pair("gzip", kGzipFormat), std::pair("GZip", kGzipFormat),
        std::pair("identity, gzip", kGzipFormat),
        std::pair("deflate", kZlibFormat), std::pair("deflate", kRawFormat)}) {
    const Answered answered =
        Coded(Compressed(kBody, format), {Header("Content-Encoding", name)});
    EXPECT_EQ(answered.status(), 200) << answered.body();
    EXPECT_THAT(answered.body(), HasSubstr("\"data\":[2,4]"));
  }
}

TEST_F(CodedTest, LengthsAreThoseOfThePlainBody) {
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32",)"
      R"("parameters":{"binary_data_size":8}}],"outputs":[{"name":"y"}]})";
  const std::string floats("\0\0\x80\x3f\0\0\0\x40", 8);
  Answered answered = Coded(
      Compressed(json + floats, kGzipFormat),
      {Header("Content-Encoding", "gzip"),
       Header("Inference-Header-Content-Length", absl::StrCat(json.size()))});
  EXPECT_THAT(answered.body(), HasSubstr("\"data\":[2,4]"));
  answered = Coded(Compressed(floats, kZlibFormat),
                   {Header("Content-Encoding", "deflate"),
                    Header("Inference-Header-Content-Length", "0")});
  EXPECT_EQ(answered.status(), 200) << answered.body();
}

TEST_F(CodedTest, WhatIsNotWhatItIsSaidToBeIsTold) {
  const std::string coded = Compressed(kBody, kGzipFormat);
  const std::vector<Header> gzip = {Header("Content-Encoding", "gzip")};
  Answered answered = Coded(coded.substr(0, coded.size() - 1), gzip);
  EXPECT_EQ(answered.status(), 400);
  EXPECT_THAT(answered.body(), HasSubstr("the body: the gzip data breaks off"));
  answered = Coded(coded + "abc", gzip);
  EXPECT_EQ(answered.status(), 400);
  EXPECT_THAT(answered.body(), HasSubstr("3 bytes follow the end"));
  EXPECT_EQ(Coded(kBody, gzip).status(), 400);
  EXPECT_EQ(Coded("", gzip).status(), 400);
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(CodedTest, ABombIsRefused) {
  const std::vector<Header> gzip = {Header("Content-Encoding", "gzip")};
  // More JSON than is read, though less than a body may have.
  Answered answered = Coded(Compressed(Padded(100'000), kGzipFormat), gzip);
  EXPECT_EQ(answered.status(), 413);
  EXPECT_THAT(answered.body(), AllOf(HasSubstr("more than 100000 bytes"),
                                     HasSubstr("--max_json_bytes")));
  EXPECT_EQ(Coded(Compressed(Padded(90'000), kGzipFormat), gzip).status(), 200);
  options_.max_body_bytes = 1'000'000;
  rest_.emplace(&loop_, &core_, options_);
  answered = Coded(Compressed(std::string(5'000'000, '\0'), kGzipFormat),
                   {Header("Content-Encoding", "gzip"),
                    Header("Inference-Header-Content-Length", "0")});
  EXPECT_EQ(answered.status(), 413);
  EXPECT_THAT(answered.body(), AllOf(HasSubstr("more than 1000000 bytes"),
                                     HasSubstr("--max_request_bytes")));
  // Where there is no memory, it is not the client's fault.
  ASSERT_TRUE(budget_.Take(budget_.limit() - 50'000));
  answered = Coded(Compressed(kBody, kGzipFormat), gzip);
  EXPECT_EQ(answered.status(), 503);
  EXPECT_EQ(answered.header("Retry-After"), "1");
  budget_.Release(budget_.limit() - 50'000);
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(CodedTest, OfWhoGoesNoMoreIsDecompressed) {
  options_.max_body_bytes = 9'000'000;
  rest_.emplace(&loop_, &core_, options_);
  const auto answered =
      Start("POST", "/v2/models/m/infer",
            Compressed(std::string(9'000'000, '\0'), kGzipFormat),
            {Header("Content-Encoding", "gzip"),
             Header("Inference-Header-Content-Length", "0")});
  answered->gone();
  Await([&] { return budget_.held() == 0; });
  EXPECT_EQ(answered->status(), 0);
}

TEST_F(CodedTest, AnAnswerIsCompressedForWhoAsks) {
  Answered answered = Large("gzip, deflate;q=0.5");
  EXPECT_EQ(answered.header("Content-Encoding"), "gzip");
  EXPECT_EQ(answered.header("Vary"), "Accept-Encoding");
  const std::string plain = Decompressed(answered.body());
  EXPECT_THAT(plain, HasSubstr("\"shape\":[400,2],\"data\":[0,0,"));
  EXPECT_LT(answered.body().size(), plain.size());
  answered = Large("deflate");
  EXPECT_EQ(answered.header("Content-Encoding"), "deflate");
  EXPECT_EQ(Decompressed(answered.body()), plain);
  for (const char* other : {"identity", "br", "gzip;q=0", ""}) {
    answered = Large(other);
    EXPECT_EQ(answered.header("Content-Encoding"), "");
    EXPECT_EQ(answered.header("Vary"), "Accept-Encoding");
    EXPECT_EQ(answered.body(), plain);
  }
  // On the thread.
  answered = Large("gzip", 100'000);
  EXPECT_THAT(Decompressed(answered.body()), HasSubstr("[100000,2]"));
}

TEST_F(CodedTest, SmallAnswersAndErrorsGoAsTheyAre) {
  const std::vector<Header> gzip = {Header("Accept-Encoding", "gzip")};
  Answered answered = Infer(kBody, gzip);
  EXPECT_EQ(answered.header("Content-Encoding"), "");
  EXPECT_EQ(answered.header("Vary"), "");
  answered = Call("GET", "/v2/models/" + std::string(2000, 'x'), "", gzip);
  EXPECT_EQ(answered.status(), 404);
  EXPECT_EQ(answered.header("Content-Encoding"), "");
}

TEST_F(CodedTest, MetricsAreCompressedForPrometheus) {
  Infer(kBody);
  const Answered answered =
      Call("GET", "/metrics", "", {Header("Accept-Encoding", "gzip")});
  EXPECT_EQ(answered.header("Content-Encoding"), "gzip");
  EXPECT_THAT(Decompressed(answered.body()),
              HasSubstr("paddle_server_requests_total"));
}

TEST_F(CodedTest, WithoutMemoryAnAnswerGoesAsItIs) {
  Infer(kBody);
  ASSERT_TRUE(budget_.Take(budget_.limit() - 10'000));
  const Answered answered =
      Call("GET", "/metrics", "", {Header("Accept-Encoding", "gzip")});
  EXPECT_EQ(answered.header("Content-Encoding"), "");
  EXPECT_THAT(answered.body(), HasSubstr("paddle_server_requests_total"));
  budget_.Release(budget_.limit() - 10'000);
}

}  // namespace
}  // namespace rest
