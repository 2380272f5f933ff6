#include "cc/frontend/http/input.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace http {
namespace {

class InputTest : public ::testing::Test {
 protected:
  // Receives `text`, or what there is room for; returns its place.
  absl::string_view Receive(absl::string_view text,
                            std::optional<uint64_t> missing) {
    const absl::Span<char> room = input_->Room(missing);
    const size_t size = std::min(room.size(), text.size());
    std::copy_n(text.data(), size, room.data());
    input_->Received(size);
    return {room.data(), size};
  }
  void ReadAsBody() {
    const absl::string_view unread = input_->unread();
    input_->Read(unread.size(), unread);
  }

  base::ByteBudget budget_{256 << 20};
  std::optional<Input> input_{BlockPool::Make(&budget_)};
};

TEST_F(InputTest, ALargeBodyTakesFewReadsAndNoCopy) {
  const std::string body(602'112, 'x');  // an image of 224 x 224 x 3 floats
  const std::string text = "head" + body;
  std::vector<absl::string_view> places;
  size_t at = 0;
  while (at < text.size()) {
    const auto missing =
        at == 0 ? std::nullopt : std::optional<uint64_t>(text.size() - at);
    absl::string_view place =
        Receive(absl::string_view(text).substr(at), missing);
    if (at == 0) {
      input_->Read(4, {});
      place.remove_prefix(4);
    }
    ReadAsBody();
    places.push_back(place);
    at = text.size() - body.size() + [&] {
      size_t size = 0;
      for (const absl::string_view p : places) size += p.size();
      return size;
    }();
  }
  EXPECT_LE(places.size(), 4u);
  const absl::Cord taken = input_->TakeBody();
  EXPECT_EQ(taken, body);
  size_t i = 0;
  for (const absl::string_view chunk : taken.Chunks()) {
    ASSERT_LT(i, places.size());
    EXPECT_EQ(chunk.data(), places[i].data());
    EXPECT_EQ(chunk.size(), places[i].size());
    ++i;
    // Readable, whatever it is: AddressSanitizer would tell.
    volatile char sum = 0;
    for (size_t j = 0; j < 64; ++j) sum = sum ^ chunk.data()[chunk.size() + j];
  }
  EXPECT_EQ(i, places.size());
}

TEST_F(InputTest, APromiseAllocatesNothing) {
  constexpr uint64_t kPromised = 64 << 20;
  uint64_t received = 0;
  while (received < (8 << 20)) {
    received += Receive(std::string(1'000, 'x'), kPromised - received).size();
    ReadAsBody();
    ASSERT_LE(budget_.held(), 5 * received + (64 << 10));
    ASSERT_LE(budget_.held(), received + (2 << 20));
  }
  input_.reset();
  EXPECT_EQ(budget_.held(), 0u);
}

TEST_F(InputTest, SmallChunksAreMovedTogether) {
  std::string body;
  for (int i = 0; i < 100'000; ++i) {
    const std::string piece(1 + i % 7, static_cast<char>('a' + i % 26));
    Receive("##" + piece, std::nullopt);
    input_->Read(2, {});
    ReadAsBody();
    body += piece;
  }
  EXPECT_LE(budget_.held(), 2 * body.size() + Block::kUsual);
  const absl::Cord taken = input_->TakeBody();
  EXPECT_EQ(taken, body);
  EXPECT_LE(std::distance(taken.chunk_begin(), taken.chunk_end()), 20);
}

TEST_F(InputTest, LargeChunksStayWhereTheyAre) {
  const std::string small(100, 's');
  const std::string large(8'000, 'l');
  const absl::string_view place =
      Receive("##" + small + "##" + large, std::nullopt);
  input_->Read(102, place.substr(2, small.size()));
  input_->Read(8'002, place.substr(104));
  const absl::Cord taken = input_->TakeBody();
  EXPECT_EQ(taken, small + large);
  std::vector<absl::string_view> chunks(taken.chunk_begin(), taken.chunk_end());
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].data(), place.data() + 2);
  EXPECT_EQ(chunks[1].data(), place.data() + 104);
}

TEST_F(InputTest, WhatIsBehindARequestOutlivesIt) {
  const absl::string_view place = Receive("onetwo", std::nullopt);
  input_->Read(3, place.substr(0, 3));
  absl::Cord one = input_->TakeBody();
  EXPECT_EQ(input_->unread(), "two");
  input_->Trim();
  one.Clear();
  EXPECT_EQ(input_->unread(), "two");
  ReadAsBody();
  const absl::Cord two = input_->TakeBody();
  input_->Trim();
  // A body alone holds its block.
  EXPECT_EQ(budget_.held(), Block::kUsual);
  input_.reset();
  EXPECT_EQ(two, "two");
}

TEST_F(InputTest, ReadingAheadIsBounded) {
  size_t all = 0;
  while (!input_->RoomAhead().empty()) {
    const size_t size = std::min<size_t>(input_->RoomAhead().size(), 1'000);
    input_->Received(size);
    all += size;
  }
  EXPECT_EQ(all, Block::kUsual);
  EXPECT_EQ(budget_.held(), Block::kUsual);
}

TEST_F(InputTest, ThereIsNoRoomBeyondTheBudget) {
  ASSERT_TRUE(budget_.Take(budget_.limit() - Block::kUsual));
  EXPECT_FALSE(input_->Room(std::nullopt).empty());
  Receive(std::string(Block::kUsual, 'x'), std::nullopt);
  ReadAsBody();
  EXPECT_TRUE(input_->Room(1'000'000).empty());
  input_->Clear();
  EXPECT_FALSE(input_->Room(std::nullopt).empty());
}

}  // namespace
}  // namespace http
