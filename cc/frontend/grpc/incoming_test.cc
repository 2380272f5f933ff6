#include "cc/frontend/grpc/incoming.h"

#include <memory>
#include <string>
#include <vector>

#include "cc/base/byte_budget.h"
#include "cc/base/copy_counter.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace grpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Framed(const std::string& message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(message.size() >> shift));
  }
  return out + message;
}

class IncomingTest : public ::testing::Test {
 protected:
  // Feeds the bytes in parts of `size`, each in a block of its own.
  std::vector<std::string> Feed(Incoming* incoming, const std::string& bytes,
                                size_t size) {
    std::vector<std::string> messages;
    for (size_t at = 0; at < bytes.size(); at += size) {
      const std::string part = bytes.substr(at, size);
      std::shared_ptr<http::Block> block = pool_->Get(http::Block::kUsual);
      std::copy(part.begin(), part.end(), block->data.get());
      absl::string_view view(block->data.get(), part.size());
      while (!view.empty()) {
        auto message = incoming->Feed(&view, block);
        if (!message.ok()) {
          status_ = message.status();
          return messages;
        }
        if (message->has_value()) messages.emplace_back((*message)->bytes);
      }
    }
    return messages;
  }

  base::ByteBudget budget_{1 << 20};
  std::shared_ptr<http::BlockPool> pool_ = http::BlockPool::Make(&budget_);
  absl::Status status_;
};

TEST_F(IncomingTest, MessagesInPartsOfAnySize) {
  const std::string large(3000, 'x');
  const std::string bytes =
      Framed("a") + Framed("") + Framed(large) + Framed("b");
  for (const size_t size : {1, 2, 3, 5, 7, 1000, 1024, 3000, 10'000}) {
    Incoming incoming(3000, &budget_);
    EXPECT_THAT(Feed(&incoming, bytes, size), ElementsAre("a", "", large, "b"));
    EXPECT_TRUE(status_.ok());
    EXPECT_FALSE(incoming.within());
    EXPECT_EQ(budget_.held(), 0u);
  }
}

TEST_F(IncomingTest, WholeMessagesAndLargePartsAreNotCopied) {
  const uint64_t before = base::copied_tensor_bytes;
  Incoming incoming(1 << 20, &budget_);
  Feed(&incoming, Framed(std::string(100, 'x')), 105);
  Feed(&incoming, Framed(std::string(8 * 1024, 'x')), 1029);
  EXPECT_LE(base::copied_tensor_bytes - before, 1024u);
}

TEST_F(IncomingTest, SmallPartsAreChargedUntilTheMessageIsWhole) {
  Incoming incoming(1 << 20, &budget_);
  Feed(&incoming, Framed(std::string(100'000, 'x')).substr(0, 50'000), 100);
  EXPECT_TRUE(incoming.within());
  EXPECT_GE(budget_.held(), 49'000u);
  incoming.Forget();
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(IncomingTest, WhatIsTooLargeOrCompressedOrBeyondTheBudget) {
  Incoming small(10, &budget_);
  Feed(&small, Framed("12345678901"), 100);
  EXPECT_EQ(status_.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(status_.message(), HasSubstr("--max_request_bytes"));
  Incoming huge(10, &budget_);
  Feed(&huge, std::string("\0\xff\xff\xff\xff", 5), 1);
  EXPECT_THAT(status_.message(), HasSubstr("4294967295 bytes"));
  Incoming compressed(10, &budget_);
  Feed(&compressed, std::string("\1\0\0\0\1x", 6), 100);
  EXPECT_EQ(status_.code(), absl::StatusCode::kInternal);
  Incoming neither(10, &budget_);
  neither.AllowCompressed();
  Feed(&neither, std::string("\2\0\0\0\1x", 6), 100);
  EXPECT_EQ(status_.code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(budget_.Take((1 << 20) - http::Block::kUsual - 10));
  Incoming poor(1000, &budget_);
  Feed(&poor, Framed(std::string(100, 'x')), 60);
  EXPECT_EQ(status_.code(), absl::StatusCode::kResourceExhausted);
  budget_.Release((1 << 20) - http::Block::kUsual - 10);
}

}  // namespace
}  // namespace grpc
