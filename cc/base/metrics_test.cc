#include "cc/base/metrics.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cc/base/process_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, WritesPrometheusText) {
  Registry registry;
  auto& counter = registry.AddCounter("c_total", "Line\nback\\slash.", {"l"});
  const auto strange = counter.With({"a\"b\\c\nd"});
  strange->Add(3);
  const auto plain = registry.AddCounter("plain_total", "Plain.", {}).With({});
  plain->Add();
  auto& gauges = registry.AddGauge("g", "Gauge.", {"m"});
  const auto second = gauges.With({"2"}, [] { return 0.0; });
  const auto first = gauges.With({"1"}, [] { return 2.5; });
  registry.AddReadCounter("read_total", "Read.", [] { return 7.0; });
  registry.AddCollector([]() -> FamilySamples {
    return {{"empty", "Empty.", MetricType::kGauge, {}, {}},
            {"tail", "Tail.", MetricType::kGauge, {"a"}, {{{"b"}, 1, {}}}}};
  });
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
            "# HELP read_total Read.\n"
            "# TYPE read_total counter\n"
            "read_total 7\n"
            "# HELP tail Tail.\n"
            "# TYPE tail gauge\n"
            "tail{a=\"b\"} 1\n");
}

TEST(Registry, SeriesGoWithTheirLastHolder) {
  Registry registry;
  auto& family = registry.AddCounter("c_total", "C.", {"model"});
  auto one = family.With({"one"});
  auto same = family.With({"one"});
  EXPECT_EQ(one, same);
  one->Add();
  const auto two = family.With({"two"});
  one.reset();
  EXPECT_THAT(registry.Text(), HasSubstr("c_total{model=\"one\"} 1\n"));
  same.reset();
  EXPECT_EQ(registry.Text(),
            "# HELP c_total C.\n# TYPE c_total counter\n"
            "c_total{model=\"two\"} 0\n");
  // A new one begins anew.
  one = family.With({"one"});
  EXPECT_THAT(registry.Text(), HasSubstr("c_total{model=\"one\"} 0\n"));
}

TEST(Registry, AGaugesReaderGoesWithItsHolder) {
  Registry registry;
  auto& family = registry.AddGauge("g", "G.", {});
  bool held = true;
  auto gauge = family.With({}, [&] {
    EXPECT_TRUE(held);
    return 1.0;
  });
  EXPECT_THAT(registry.Text(), HasSubstr("g 1\n"));
  gauge.reset();
  held = false;
  EXPECT_EQ(registry.Text(), "");
}

TEST(Registry, WhoAddsTheSameAgainGetsTheSame) {
  Registry registry;
  auto& family = registry.AddCounter("c_total", "C.", {"l"});
  EXPECT_EQ(&registry.AddCounter("c_total", "C.", {"l"}), &family);
}

TEST(Registry, HistogramBucketsAreCumulative) {
  Registry registry;
  const auto histogram =
      registry.AddHistogram("h", "H.", {"l"}, DurationBounds()).With({"v"});
  for (const double seconds : {0.0, 0.0001, 0.0002, 0.3, 100.0}) {
    histogram->Observe(seconds);
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

TEST(Registry, HistogramsHaveTheBoundsTheyAreGiven) {
  EXPECT_EQ(PowersOfTwo(5), (std::vector<double>{1, 2, 4, 8}));
  EXPECT_EQ(PowersOfTwo(1), (std::vector<double>{1}));
  Registry registry;
  const auto histogram =
      registry.AddHistogram("h", "H.", {}, PowersOfTwo(1 << 20)).With({});
  histogram->Observe(3);
  EXPECT_THAT(registry.Text(), HasSubstr("h_bucket{le=\"2\"} 0\n"
                                         "h_bucket{le=\"4\"} 1\n"));
  EXPECT_THAT(registry.Text(), HasSubstr("h_bucket{le=\"1048576\"} 1\n"));
}

TEST(Registry, CountsFromManyThreads) {
  Registry registry;
  auto& family = registry.AddCounter("c_total", "C.", {"l"});
  const auto kept = family.With({"v"});
  const auto histogram =
      registry.AddHistogram("h", "H.", {}, PowersOfTwo(4)).With({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        family.With({"v"})->Add();
        histogram->Observe(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kept->value(), 40'000u);
  EXPECT_EQ(histogram->bucket(0), 40'000u);
  EXPECT_EQ(histogram->sum(), 40'000);
}

// Ends of a native bucket, by its number.
double UpperBound(int number) { return std::exp2(number / 8.0); }

TEST(Histogram, CountsEachValueInTheNativeBucketThatHoldsIt) {
  for (const double value : {1e-6, 0.00001, 0.0001, 0.25, 0.3, 0.5, 0.999, 1.0,
                             1.001, 1.09, 1.0905, 2.0, 7.3, 16.0, 1000.0}) {
    Histogram histogram(DurationBounds());
    histogram.Observe(value);
    const HistogramSample sample = histogram.Read();
    int found = 0;
    for (size_t i = 0; i < sample.native.size(); ++i) {
      if (sample.native[i] == 0) continue;
      ++found;
      const int number = sample.native_first + static_cast<int>(i);
      EXPECT_LE(value, UpperBound(number) * (1 + 1e-12)) << value;
      EXPECT_GT(value, UpperBound(number - 1) * (1 - 1e-12)) << value;
    }
    EXPECT_EQ(found, 1) << value;
    EXPECT_EQ(sample.zero, 0u) << value;
  }
}

TEST(Histogram, HasBoundedNativeBuckets) {
  Histogram histogram(DurationBounds());
  for (const double value : {-1.0, 0.0, 1e-9, 1e9, 1e300, HUGE_VAL}) {
    histogram.Observe(value);
  }
  const HistogramSample sample = histogram.Read();
  EXPECT_LT(sample.native.size(), 300u);
  EXPECT_EQ(sample.zero, 3u);
  EXPECT_GT(sample.zero_threshold, 1e-9);
  EXPECT_LT(sample.zero_threshold, 1e-6);
  EXPECT_EQ(sample.native.back(), 3u);
  EXPECT_EQ(UpperBound(sample.native_first - 1), sample.zero_threshold);
}

TEST(Registry, WritesOpenMetricsWithExamples) {
  Registry registry;
  const auto counter = registry.AddCounter("c_total", "C \"x\".", {}).With({});
  const auto histogram =
      registry.AddHistogram("h", "H.", {}, {0.5, 1}).With({});
  histogram->Observe(0.25, TraceId{1, 2});
  histogram->Observe(0.75);
  const std::string text =
      WriteMetrics(MetricsFormat::kOpenMetrics, registry.Read());
  EXPECT_THAT(
      text, HasSubstr("# HELP c C \\\"x\\\".\n# TYPE c counter\nc_total 0\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"0.5\"} 1 # {trace_id=\""
                              "00000000000000010000000000000002\"} 0.25 "));
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"1.0\"} 2\n"));
  EXPECT_THAT(text, ::testing::EndsWith("\n# EOF\n"));
}

constexpr const char* kProcessMetrics[] = {"process_cpu_seconds_total",
                                           "process_resident_memory_bytes",
                                           "process_virtual_memory_bytes",
                                           "process_open_fds",
                                           "process_max_fds",
                                           "process_threads",
                                           "process_start_time_seconds"};

std::string Text(ProcessMetrics* metrics) {
  return WriteMetrics(MetricsFormat::kText, metrics->Read());
}

// As proc(5) has it: the 22nd field behind the name.
std::string ResidentPages() {
  std::ifstream file("/proc/self/stat");
  std::string field;
  std::getline(file, field, ')');
  for (int i = 0; i < 22; ++i) file >> field;
  return field;
}

TEST(ProcessMetrics, AreThere) {
  ProcessMetrics metrics;
  const std::string text = Text(&metrics);
  for (const char* name : kProcessMetrics) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name + " "));
  }
  if (ResidentPages() == "0") {
    GTEST_SKIP() << "/proc/self/stat is made up by QEMU, and tells no memory";
  }
  EXPECT_THAT(text, Not(HasSubstr("resident_memory_bytes 0\n")));
}

double Value(const std::string& text, absl::string_view name) {
  const size_t at = text.find(absl::StrCat("\n", name, " ")) + name.size() + 2;
  double value = -1;
  EXPECT_TRUE(
      absl::SimpleAtod(text.substr(at, text.find('\n', at) - at), &value));
  return value;
}

TEST(ProcessMetrics, AreThereWhenNoFileCanBeOpened) {
  ProcessMetrics metrics;
  const double before = Value(Text(&metrics), "process_open_fds");
  std::vector<int> taken;
  for (int fd = 0; (fd = open("/dev/null", O_RDONLY)) >= 0;) {
    taken.push_back(fd);
    if (taken.size() == 100) {
      const rlimit limit = {static_cast<rlim_t>(fd) + 2,
                            static_cast<rlim_t>(fd) + 2};
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
  }
  ASSERT_EQ(errno, EMFILE);
  const std::string text = Text(&metrics);
  ProcessMetrics late;
  const std::string poor = Text(&late);
  for (const int fd : taken) close(fd);
  for (const char* name : kProcessMetrics) {
    EXPECT_THAT(text, HasSubstr(std::string("\n") + name + " "));
  }
  EXPECT_EQ(Value(text, "process_open_fds"),
            before + static_cast<double>(taken.size()));
  // Who could not open it says nothing rather than 0.
  EXPECT_THAT(poor, Not(HasSubstr("process_open_fds")));
}

}  // namespace
}  // namespace base
