// Numbers that a room counts and the control interface shows as Prometheus text.
//
// A room keeps a plain struct of Counter, Gauge and Histogram, one per shard, and names them once
// in a MetricRegistry.
// Shard: written by the shard that owns them; read by any thread (relaxed, so a scrape may be a
//   moment old).
// Limits: names and labels are ours, never a peer's words.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmail {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void Add(int64_t n) { Set(value() + n); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Powers of two from 1 to 2^39: sizes, or microseconds up to six days. bucket(i) counts what is
// over 2^(i-1) and at most 2^i; beyond() what is over 2^39.
class Histogram {
 public:
  static constexpr int kBuckets = 40;
  void Observe(uint64_t v);
  uint64_t bucket(int i) const { return buckets_[static_cast<size_t>(i)].value(); }
  uint64_t beyond() const { return beyond_.value(); }
  uint64_t sum() const { return sum_.value(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter beyond_;
  Counter sum_;
};

// The metrics of one shard. Borrows what it names. REQUIRES: filled before other threads read it.
class MetricRegistry {
 public:
  // `labels` is empty or Prometheus label text without braces: `reason="policy"`.
  void Add(std::string_view name, std::string_view help, const Counter* c,
           std::string_view labels = {});
  void Add(std::string_view name, std::string_view help, const Gauge* g,
           std::string_view labels = {});
  // `unit` divides what is observed for display: 1e6 shows microseconds as seconds.
  void Add(std::string_view name, std::string_view help, const Histogram* h, double unit = 1);

  // Null: it has none of this name without labels. For those that look often.
  const Gauge* FindGauge(std::string_view name) const;

  // Prometheus text (version 0.0.4), same names and labels of all registries added together.
  static std::string Render(const std::vector<const MetricRegistry*>& registries);

 private:
  struct Entry {
    std::string name, help, labels;
    const Counter* counter = nullptr;
    const Gauge* gauge = nullptr;
    const Histogram* histogram = nullptr;
    double unit = 1;
  };
  std::vector<Entry> entries_;
};

}  // namespace ringmail
