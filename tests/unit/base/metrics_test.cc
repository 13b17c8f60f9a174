#include "ringmail/base/metrics.h"

#include <gtest/gtest.h>

namespace ringmail {
namespace {

TEST(MetricsTest, ShardsAreAddedTogetherAndLabelsKeptApart) {
  Counter a0, a1, b0;
  Gauge g0, g1;
  a0.Add(3);
  a1.Add();
  b0.Add(7);
  g0.Set(5);
  g1.Add(-9);
  MetricRegistry shard0, shard1;
  shard0.Add("refused_total", "Refused.", &a0, "reason=\"policy\"");
  shard0.Add("refused_total", "Refused.", &b0, "reason=\"size\"");
  shard0.Add("queue_depth", "Messages\nwaiting \\ held.", &g0);
  shard1.Add("refused_total", "Refused.", &a1, "reason=\"policy\"");
  shard1.Add("queue_depth", "Messages waiting.", &g1);
  EXPECT_EQ(MetricRegistry::Render({&shard0, &shard1}),
            "# HELP refused_total Refused.\n"
            "# TYPE refused_total counter\n"
            "refused_total{reason=\"policy\"} 4\n"
            "refused_total{reason=\"size\"} 7\n"
            "# HELP queue_depth Messages\\nwaiting \\\\ held.\n"
            "# TYPE queue_depth gauge\n"
            "queue_depth -4\n");
}

TEST(MetricsTest, HistogramBucketsHoldUpToTheirPowerOfTwo) {
  Histogram h;
  for (uint64_t v = 0; v <= 5; ++v) h.Observe(v);
  EXPECT_EQ(h.bucket(0), 2u);
  EXPECT_EQ(h.bucket(1), 1u);
  EXPECT_EQ(h.bucket(2), 2u);
  EXPECT_EQ(h.bucket(3), 1u);
  h.Observe(uint64_t{1} << 39);
  h.Observe((uint64_t{1} << 39) + 1);
  EXPECT_EQ(h.bucket(39), 1u);
  EXPECT_EQ(h.beyond(), 1u);
  EXPECT_EQ(h.sum(), 15 + (uint64_t{1} << 40) + 1);
}

TEST(MetricsTest, HistogramIsShownCumulativeInItsUnit) {
  Histogram h0, h1;
  h0.Observe(1);
  h0.Observe(3);
  h1.Observe(4);
  h1.Observe(uint64_t{1} << 40);
  MetricRegistry shard0, shard1;
  shard0.Add("commit_seconds", "Commit.", &h0, 1e6);
  shard1.Add("commit_seconds", "Commit.", &h1, 1e6);
  const std::string text = MetricRegistry::Render({&shard0, &shard1});
  for (const std::string_view line :
       {"# TYPE commit_seconds histogram\n", "commit_seconds_bucket{le=\"1e-06\"} 1\n",
        "commit_seconds_bucket{le=\"2e-06\"} 1\n", "commit_seconds_bucket{le=\"4e-06\"} 3\n",
        "commit_seconds_bucket{le=\"549755.813888\"} 3\n", "commit_seconds_bucket{le=\"+Inf\"} 4\n",
        "commit_seconds_count 4\n", "commit_seconds_sum 1099511.627784\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(MetricsDeathTest, OneNameForTwoKindsIsABug) {
  Counter c;
  Gauge g;
  MetricRegistry registry;
  registry.Add("x", "X.", &c);
  registry.Add("x", "X.", &g);
  EXPECT_DEATH(MetricRegistry::Render({&registry}), "CHECK failed");
}

}  // namespace
}  // namespace ringmail
