#include "cc/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cc/base/log_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::Duration kLong = absl::Minutes(2);

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(fds_), 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  int read_fd() const { return fds_[0]; }
  int write_fd() const { return fds_[1]; }
  void CloseRead() { Close(&fds_[0]); }
  void CloseWrite() { Close(&fds_[1]); }
  // All until its end.
  std::string Read() {
    CloseWrite();
    std::string all;
    char bytes[65536];
    ssize_t n = 0;
    while ((n = read(read_fd(), bytes, sizeof(bytes))) > 0)
      all.append(bytes, n);
    return all;
  }

 private:
  static void Close(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  int fds_[2] = {-1, -1};
};

std::vector<std::string> Lines(absl::string_view text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  EXPECT_EQ(lines.back(), "") << "the last line has no end";
  lines.pop_back();
  return lines;
}

// Lines "0:xxx...\n", "1:xxx...\n", each of `size` bytes.
std::string Numbered(int number, size_t size) {
  std::string line = absl::StrCat(number, ":");
  line.resize(size - 1, 'x');
  return line + "\n";
}

// Every line is whole, their numbers ascend, and whatever is missing was told.
uint64_t ExpectWhole(const std::vector<std::string>& lines, size_t size) {
  uint64_t told = 0;
  int previous = -1;
  for (const std::string& line : lines) {
    if (absl::StartsWith(line, "{\"ts\"")) {
      EXPECT_THAT(line, HasSubstr("log lines were lost"));
      const size_t at = line.rfind(':') + 1;
      uint64_t lost = 0;
      EXPECT_TRUE(
          absl::SimpleAtoi(line.substr(at, line.size() - 1 - at), &lost));
      told += lost;
      continue;
    }
    EXPECT_EQ(line.size(), size - 1) << line;
    const int number = std::stoi(line);
    EXPECT_GT(number, previous);
    previous = number;
  }
  return told;
}

// Of lines that tell of others.
size_t Told(const std::vector<std::string>& lines) {
  return static_cast<size_t>(std::count_if(
      lines.begin(), lines.end(),
      [](const std::string& line) { return absl::StartsWith(line, "{"); }));
}

TEST(LogWriter, WritesInOrder) {
  Pipe pipe;
  LogWriter writer(pipe.write_fd(), 1 << 20);
  for (int i = 0; i < 500; ++i) writer.Add(Numbered(i, 100), false);
  EXPECT_TRUE(writer.Stop(kLong));
  const auto lines = Lines(pipe.Read());
  EXPECT_EQ(lines.size(), 500u);
  EXPECT_EQ(ExpectWhole(lines, 100), 0u);
  EXPECT_EQ(writer.dropped(), 0u);
}

TEST(LogWriter, AReaderThatStopsCostsLinesAndNobodyWaits) {
  for (const int flags : {0, O_NONBLOCK}) {
    // Kept to the end: a thread that is left behind may still write to it.
    static auto* const pipes = new std::vector<std::unique_ptr<Pipe>>;
    Pipe& pipe = *pipes->emplace_back(std::make_unique<Pipe>());
    ASSERT_EQ(fcntl(pipe.write_fd(), F_SETFL, O_NONBLOCK), 0);
    while (write(pipe.write_fd(), "\n", 1) == 1) {
    }
    ASSERT_EQ(fcntl(pipe.write_fd(), F_SETFL, flags), 0);
    LogWriter writer(pipe.write_fd(), 3'000);
    // All of these calls return although nobody reads; ten lines find room.
    int number = 0;
    for (; number < 1'000; ++number) writer.Add(Numbered(number, 300), true);
    EXPECT_EQ(writer.dropped(), 990u);
    EXPECT_FALSE(writer.Stop(absl::Milliseconds(50)));
    writer.Add(Numbered(number, 300), true);
    EXPECT_GE(writer.dropped(), 991u);
    if (flags == O_NONBLOCK) continue;
    // Its thread is in a write, and goes on when somebody reads again.
    std::string text;
    char byte = 0;
    while (!absl::EndsWith(text, Numbered(9, 300)) &&
           read(pipe.read_fd(), &byte, 1) == 1) {
      if (byte != '\n' || !text.empty()) text.push_back(byte);
    }
    const auto lines = Lines(text);
    EXPECT_EQ(lines.size() - Told(lines), 10u);
    ExpectWhole(lines, 300);
  }
}

TEST(LogWriter, TellsWhatWasLostWhenTheReaderIsBack) {
  Pipe pipe;
  ASSERT_EQ(fcntl(pipe.write_fd(), F_SETFL, O_NONBLOCK), 0);
  LogWriter writer(pipe.write_fd(), 10'000);
  int number = 0;
  while (writer.dropped() < 100) writer.Add(Numbered(number++, 301), true);
  std::string text;
  std::thread reader([&] {
    char bytes[4096];
    ssize_t n = 0;
    while ((n = read(pipe.read_fd(), bytes, sizeof(bytes))) > 0) {
      text.append(bytes, n);
    }
  });
  // Until one finds room again.
  for (uint64_t before = writer.dropped();; before = writer.dropped()) {
    writer.Add(Numbered(number++, 301), true);
    if (writer.dropped() == before) break;
  }
  EXPECT_TRUE(writer.Stop(kLong));
  const uint64_t dropped = writer.dropped();
  pipe.CloseWrite();
  reader.join();
  const auto lines = Lines(text);
  EXPECT_EQ(ExpectWhole(lines, 301), dropped);
  EXPECT_GE(Told(lines), 1u);
  EXPECT_EQ(lines.size() - Told(lines) + dropped, static_cast<size_t>(number));
}

TEST(LogWriter, ABrokenLineIsEndedBeforeTheNext) {
  // A pipe of one page takes half of a line and then no more.
  Pipe pipe;
  ASSERT_GE(fcntl(pipe.write_fd(), F_SETPIPE_SZ, 4096), 4096);
  const size_t size = 3000;
  LogWriter writer(pipe.write_fd(), 1 << 20);
  for (int i = 0; i < 40; ++i) writer.Add(Numbered(i, size), true);
  std::string text;
  std::thread reader([&] {
    text = [&] {
      std::string all;
      char bytes[777];
      ssize_t n = 0;
      while ((n = read(pipe.read_fd(), bytes, sizeof(bytes))) > 0) {
        all.append(bytes, n);
      }
      return all;
    }();
  });
  EXPECT_TRUE(writer.Stop(kLong));
  pipe.CloseWrite();
  reader.join();
  const auto lines = Lines(text);
  EXPECT_EQ(lines.size(), 40u);
  ExpectWhole(lines, size);
}

TEST(LogWriter, AFullDiskCostsWholeLines) {
  const int fd = memfd_create("log", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  // Three lines and a third of one.
  const rlimit full = {1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  {
    LogWriter writer(fd, 1 << 20);
    int number = 0;
    // Twice, so that the rest of the line has to wait twice.
    for (int i = 0; i < 2; ++i) {
      const uint64_t lost = writer.dropped();
      do {
        writer.Add(Numbered(number++, 300), true);
        absl::SleepFor(absl::Milliseconds(1));  // for the thread to come by
      } while (writer.dropped() == lost || number < 10);
    }
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    writer.Add(Numbered(number++, 300), true);
    EXPECT_TRUE(writer.Stop(kLong));
    std::string text(1 << 20, '\0');
    const ssize_t size = pread(fd, text.data(), text.size(), 0);
    ASSERT_GT(size, 1000);
    text.resize(static_cast<size_t>(size));
    const auto lines = Lines(text);
    EXPECT_EQ(ExpectWhole(lines, 300), writer.dropped());
    EXPECT_THAT(lines[3], StartsWith("3:"));
    EXPECT_EQ(lines.size() - Told(lines) + writer.dropped(),
              static_cast<size_t>(number));
  }
  close(fd);
}

TEST(LogWriter, NobodyReadsAnyMore) {
  Pipe pipe;
  pipe.CloseRead();
  // SIGPIPE, at its default here, would end the test.
  LogWriter writer(pipe.write_fd(), 1 << 20);
  writer.Add("one\n", true);
  writer.Add("two\n", true);
  EXPECT_TRUE(writer.Stop(kLong));
  EXPECT_EQ(writer.dropped(), 2u);
}

TEST(LogWriter, TakesFromManyThreads) {
  Pipe pipe;
  LogWriter writer(pipe.write_fd(), 1 << 20);
  std::string text;
  std::thread reader([&] {
    char bytes[65536];
    ssize_t n = 0;
    while ((n = read(pipe.read_fd(), bytes, sizeof(bytes))) > 0) {
      text.append(bytes, n);
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) writer.Add("0123456789\n", false);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(writer.Stop(kLong));
  pipe.CloseWrite();
  reader.join();
  const auto lines = Lines(text);
  EXPECT_EQ(lines.size(), 4000u);
  for (const std::string& line : lines) ASSERT_EQ(line, "0123456789");
}

// What Log writes while stdout is a pipe.
class Captured {
 public:
  Captured() : stdout_(dup(STDOUT_FILENO)) {
    EXPECT_EQ(dup2(pipe_.write_fd(), STDOUT_FILENO), STDOUT_FILENO);
  }
  std::string Text() {
    EXPECT_EQ(dup2(stdout_, STDOUT_FILENO), STDOUT_FILENO);
    close(stdout_);
    return pipe_.Read();
  }

 private:
  Pipe pipe_;
  const int stdout_;
};

std::string Tail(const std::string& line) {
  return line.substr(line.find(",\"level\""));
}

TEST(Log, LineIsOneJsonObject) {
  Captured captured;
  Log(LogLevel::kWarning, "say \"hi\"\n")
      .With("text", "\xC3\xA9\xFF\x01")
      .With("number", -3)
      .With("size", size_t{7})
      .With("real", 0.25)
      .With("nan", std::nan(""))
      .With("yes", true);
  EXPECT_EQ(Tail(captured.Text()),
            ",\"level\":\"warning\",\"msg\":\"say \\\"hi\\\"\\n\","
            "\"text\":\"\xC3\xA9\xEF\xBF\xBD\\u0001\",\"number\":-3,\"size\":7,"
            "\"real\":0.25,\"nan\":null,\"yes\":true}\n");
}

TEST(Log, TellsTheTime) {
  EXPECT_THAT(
      LogHead(absl::FromUnixMicros(1'000'123), LogLevel::kInfo, ""),
      StartsWith("{\"ts\":\"1970-01-01T00:00:01.000123Z\",\"level\":\"info\""));
  EXPECT_THAT(
      LogHead(absl::FromUnixMicros(951'782'400'999'999), LogLevel::kInfo, ""),
      StartsWith("{\"ts\":\"2000-02-29T00:00:00.999999Z\""));
}

TEST(Log, ValuesAreCut) {
  Captured captured;
  Log(LogLevel::kInfo, "m")
      .With("a", std::string(501, 'a'))
      .With("b", "1234\xC3\xA9", 5)
      .With("c", "12345", 5);
  const std::string line = captured.Text();
  EXPECT_THAT(line, HasSubstr(",\"a\":\"" + std::string(500, 'a') + "...\","));
  EXPECT_THAT(line, HasSubstr("\"b\":\"1234...\",\"c\":\"12345\"}"));
}

TEST(Log, LevelsAreLookedAtFirst) {
  LogLevel level = LogLevel::kInfo;
  ASSERT_TRUE(ParseLogLevel("error", &level).ok());
  Captured captured;
  SetLogLevel(level);
  Log(LogLevel::kWarning, "off").With("a", 1);
  EXPECT_FALSE(LogEnabled(LogLevel::kWarning));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  Log(LogLevel::kError, "on").With("a", 1);
  SetLogLevel(LogLevel::kInfo);
  const std::string text = captured.Text();
  EXPECT_THAT(text, Not(HasSubstr("off")));
  EXPECT_THAT(text, HasSubstr("\"msg\":\"on\",\"a\":1}\n"));
  EXPECT_FALSE(ParseLogLevel("loud", &level).ok());
}

TEST(Log, StartsAndStops) {
  Captured captured;
  Log(LogLevel::kInfo, "before");
  ASSERT_TRUE(LogStart().ok());
  Log(LogLevel::kInfo, "meanwhile");
  LogStop(kLong);
  Log(LogLevel::kInfo, "after");
  const auto lines = Lines(captured.Text());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("before"));
  EXPECT_THAT(lines[1], HasSubstr("meanwhile"));
  EXPECT_THAT(lines[2], HasSubstr("after"));
}

}  // namespace
}  // namespace base
