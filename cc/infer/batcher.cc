#include "cc/infer/batcher.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace infer {
namespace {

// In the middle, so that a request can ask for more and for less.
constexpr uint64_t kDefaultPriority = 1000;

size_t BytesOf(const Request& request) {
  size_t bytes = 0;
  for (const Tensor& input : request.inputs) bytes += input.data.size();
  return bytes;
}

bool SameButRows(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return a.size() == b.size() && !a.empty() &&
         std::equal(a.begin() + 1, a.end(), b.begin() + 1);
}

// Whether all inputs have so many rows, as requests that can be put one behind
// the other have. Sequences (LoD) are as many as their offsets say.
bool HasRows(const Request& request, int64_t rows) {
  for (const Tensor& input : request.inputs) {
    if (input.lod.empty() && (input.shape.empty() || input.shape[0] != rows)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<int64_t> Buckets(int64_t max_rows) {
  constexpr size_t kMost = 8;
  std::set<int64_t> buckets = {max_rows};
  for (int64_t rows = 1; rows < max_rows; rows *= 2) buckets.insert(rows);
  for (int64_t rows = max_rows; rows > 8 && buckets.size() < kMost; rows /= 2) {
    buckets.insert(rows * 3 / 4);
  }
  return {buckets.begin(), buckets.end()};
}

int64_t RowsOf(const Request& request) {
  if (request.inputs.empty() || request.inputs[0].shape.empty()) return 1;
  return request.inputs[0].shape[0];
}

absl::Status Batcher::Add(std::shared_ptr<Call> call, Clock::time_point now) {
  Waiting waiting = MakeWaiting(std::move(call), now);
  if (size_ >= policy_.max_queue ||
      (size_ > 0 && bytes_ + waiting.bytes > policy_.max_queue_bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full (", size_, " requests of ", bytes_,
                     " bytes wait); try again later"));
  }
  ++size_;
  bytes_ += waiting.bytes;
  Queue* const queue = QueueOf(*waiting.call);
  queue->push_back(std::move(waiting));
  return absl::OkStatus();
}

void Batcher::PutBack(std::shared_ptr<Call> call, bool alone,
                      Clock::time_point now) {
  Waiting waiting = MakeWaiting(std::move(call), now);
  waiting.alone |= alone;
  ++size_;
  bytes_ += waiting.bytes;
  Queue* const queue = QueueOf(*waiting.call);
  queue->push_front(std::move(waiting));
}

Batcher::Waiting Batcher::MakeWaiting(std::shared_ptr<Call> call,
                                      Clock::time_point now) const {
  Clock::time_point until = Clock::time_point::max();
  if (policy_.queue_timeout > Clock::duration::zero()) {
    until = now + policy_.queue_timeout;
  }
  if (call->deadline) until = std::min(until, *call->deadline);
  const int64_t rows = RowsOf(call->request);
  const bool alone = !HasRows(call->request, rows);
  const size_t bytes = BytesOf(call->request);
  return {std::move(call), now, until, rows, alone, bytes};
}

Batcher::Queue* Batcher::QueueOf(const Call& call) {
  const uint64_t priority = call.request.priority;
  return &queues_[priority == 0 ? kDefaultPriority : priority];
}

void Batcher::Remove(const Waiting& waiting) {
  --size_;
  bytes_ -= waiting.bytes;
}

template <typename F>
void Batcher::EraseIf(F f) {
  for (auto level = queues_.begin(); level != queues_.end();) {
    Queue& queue = level->second;
    queue.erase(std::remove_if(queue.begin(), queue.end(), f), queue.end());
    level = queue.empty() ? queues_.erase(level) : std::next(level);
  }
}

void Batcher::Expire(Clock::time_point now) {
  // Answers go out when the queues are as they should be: whoever is told may
  // add the next call.
  std::vector<std::shared_ptr<Call>> late;
  EraseIf([&](Waiting& waiting) {
    if (!waiting.call->cancelled() && waiting.until > now) return false;
    Remove(waiting);
    late.push_back(std::move(waiting.call));
    return true;
  });
  for (const auto& call : late) {
    call->Finish(absl::DeadlineExceededError(
        "the request waited for longer than it may (its \"timeout\", or "
        "--queue_timeout_ms)"));
  }
}

bool Batcher::Joins(const Waiting& first, const Waiting& other) const {
  const Request& a = first.call->request;
  const Request& b = other.call->request;
  if (first.alone || other.alone || a.inputs.size() != b.inputs.size()) {
    return false;
  }
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    // Most clients give inputs in one order.
    const Tensor* same = b.inputs[i].name == a.inputs[i].name
                             ? &b.inputs[i]
                             : Find(b.inputs, a.inputs[i].name);
    if (same == nullptr || same->dtype != a.inputs[i].dtype ||
        same->lod.size() != a.inputs[i].lod.size() ||
        !SameButRows(a.inputs[i].shape, same->shape)) {
      return false;
    }
  }
  return true;
}

int64_t Batcher::Padded(int64_t rows) const {
  // Without batching there are no buckets, and each request runs as it is.
  const auto bucket =
      std::lower_bound(policy_.buckets.begin(), policy_.buckets.end(), rows);
  return bucket == policy_.buckets.end() ? rows : *bucket;
}

std::optional<Batch> Batcher::Next(Clock::time_point now) {
  Expire(now);
  if (queues_.empty()) return std::nullopt;
  const Waiting& first = queues_.begin()->second.front();

  // Whom the first one would take along.
  std::vector<std::pair<Queue*, size_t>> taken;
  int64_t rows = 0;
  for (auto& [priority, queue] : queues_) {
    for (size_t i = 0; i < queue.size() && rows < policy_.max_rows; ++i) {
      const Waiting& other = queue[i];
      if (&other != &first &&
          (rows + other.rows > policy_.max_rows || !Joins(first, other))) {
        continue;
      }
      rows += other.rows;
      taken.emplace_back(&queue, i);
    }
    if (rows >= policy_.max_rows) break;
  }
  if (!first.alone && rows < policy_.max_rows &&
      now < first.since + policy_.max_delay) {
    return std::nullopt;
  }

  Batch batch;
  batch.rows = rows;
  batch.padded_rows =
      first.alone || rows > policy_.max_rows ? rows : Padded(rows);
  for (const auto& [queue, i] : taken) {
    Remove((*queue)[i]);
    batch.calls.push_back(std::move((*queue)[i].call));
  }
  EraseIf([](const Waiting& waiting) { return waiting.call == nullptr; });
  return batch;
}

std::optional<Clock::time_point> Batcher::Wake(bool idle) const {
  Clock::time_point wake = Clock::time_point::max();
  for (const auto& [priority, queue] : queues_) {
    for (const Waiting& waiting : queue) {
      wake = std::min(wake, waiting.until);
      if (idle) {
        wake =
            std::min(wake, waiting.alone ? waiting.since
                                         : waiting.since + policy_.max_delay);
      }
    }
  }
  if (wake == Clock::time_point::max()) return std::nullopt;
  return wake;
}

void Batcher::Fail(const absl::Status& status) {
  const auto queues = std::exchange(queues_, {});
  size_ = bytes_ = 0;
  for (const auto& [priority, queue] : queues) {
    for (const Waiting& waiting : queue) waiting.call->Finish(status);
  }
}

}  // namespace infer
