#include "cc/server/metrics.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, WritesPrometheusText) {
  Registry registry;
  auto& counter = registry.AddCounter("c_total", "Line\nback\\slash.", {"l"});
  counter.With({"a\"b\\c\nd"}).Add(3);
  registry.AddCounter("plain_total", "Plain.", {}).With({}).Add();
  registry.AddGauge("g", "Gauge.", {{"m", "1"}}, [] { return 2.5; });
  registry.AddGauge("g", "Gauge.", {{"m", "2"}}, [] { return 0.0; });
  registry.AddText([] { return std::string("tail 1\n"); });
  EXPECT_EQ(registry.Text(),
            "# HELP c_total Line\\nback\\\\slash.\n"
            "# TYPE c_total counter\n"
            "c_total{l=\"a\\\"b\\\\c\\nd\"} 3\n"
            "# HELP plain_total Plain.\n"
            "# TYPE plain_total counter\n"
            "plain_total 1\n"
            "# HELP g Gauge.\n"
            "# TYPE g gauge\n"
            "g{m=\"1\"} 2.5\n"
            "g{m=\"2\"} 0\n"
            "tail 1\n");
}

TEST(Registry, HistogramBucketsAreCumulative) {
  Registry registry;
  auto& family = registry.AddHistogram("h", "H.", {"l"});
  Histogram& histogram = family.With({"v"});
  for (const double seconds : {0.0, 0.0001, 0.0002, 0.3, 100.0}) {
    histogram.Observe(seconds);
  }
  const std::string text = registry.Text();
  EXPECT_THAT(text, HasSubstr("h_bucket{l=\"v\",le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{l=\"v\",le=\"0.00025\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{l=\"v\",le=\"0.5\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{l=\"v\",le=\"10\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{l=\"v\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("h_sum{l=\"v\"} 100.3003\n"));
  EXPECT_THAT(text, HasSubstr("h_count{l=\"v\"} 5\n"));
}

TEST(Registry, CountsFromManyThreads) {
  Registry registry;
  auto& family = registry.AddCounter("c_total", "C.", {"l"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&family] {
      for (int j = 0; j < 10'000; ++j) family.With({"v"}).Add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(family.With({"v"}).value(), 40'000u);
}

TEST(ProcessMetrics, AreThere) {
  const std::string text = ProcessMetricsText();
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_open_fds", "process_max_fds",
        "process_threads", "process_start_time_seconds"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name + " "));
  }
  EXPECT_THAT(text, Not(HasSubstr("resident_memory_bytes 0\n")));
}

}  // namespace
}  // namespace server
