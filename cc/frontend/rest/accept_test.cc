#include "cc/frontend/rest/accept.h"

#include "gtest/gtest.h"

namespace rest {
namespace {

using base::MetricsFormat;

TEST(AcceptedMetrics, GoesByWhatTheScraperLikesBest) {
  // Prometheus 2.42 with and without native histograms, Prometheus 3, curl and
  // a browser.
  const char kProtobuf[] =
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
      "encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,"
      "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;"
      "version=0.0.4;q=0.5,*/*;q=0.1";
  EXPECT_EQ(AcceptedMetrics(kProtobuf), MetricsFormat::kProtobuf);
  EXPECT_EQ(AcceptedMetrics("application/openmetrics-text;version=1.0.0,"
                            "application/openmetrics-text;version=0.0.1;q=0.75,"
                            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            MetricsFormat::kOpenMetrics);
  EXPECT_EQ(AcceptedMetrics("application/openmetrics-text;version=1.0.0;"
                            "escaping=allow-utf-8;q=0.5,text/plain;"
                            "version=0.0.4;q=0.4,*/*;q=0.1"),
            MetricsFormat::kOpenMetrics);
  EXPECT_EQ(AcceptedMetrics("*/*"), MetricsFormat::kText);
  EXPECT_EQ(AcceptedMetrics(""), MetricsFormat::kText);
  EXPECT_EQ(AcceptedMetrics("text/html,application/xml;q=0.9,*/*;q=0.8"),
            MetricsFormat::kText);
}

TEST(AcceptedMetrics, ReadsParametersInAnyOrderAndCase) {
  EXPECT_EQ(AcceptedMetrics("Application/Vnd.Google.Protobuf ; "
                            "Encoding=\"delimited\" ; "
                            "proto=io.prometheus.client.MetricFamily"),
            MetricsFormat::kProtobuf);
  EXPECT_EQ(AcceptedMetrics("application/openmetrics-text"),
            MetricsFormat::kOpenMetrics);
}

TEST(AcceptedMetrics, WritesNothingThatWasNotAskedFor) {
  for (const char* accept :
       {"application/vnd.google.protobuf",
        "application/vnd.google.protobuf;proto=io.prometheus.client."
        "MetricFamily;encoding=text",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0", "application/openmetrics-text;q=x",
        "application/openmetrics-text;q=0.1,text/plain;q=0.2",
        "application/openmetrics-text;q=0.1,*/*",
        "application/openmetrics-text;q=0.1,text/*;q=0.2",
        "text/plain,application/openmetrics-text", ";;,,=;q=,\""}) {
    EXPECT_EQ(AcceptedMetrics(accept), MetricsFormat::kText) << accept;
  }
}

}  // namespace
}  // namespace rest
