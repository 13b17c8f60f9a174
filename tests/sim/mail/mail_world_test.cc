// A few seeds of every scenario, every plan that failed once, and the parts that make plans.
#include "tests/sim/mail/mail_world.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ringmail/base/check.h"
#include "tests/sim/mail/shrink.h"

namespace ringmail::sim {
namespace {

std::string Said(const Outcome& outcome) {
  std::string out;
  for (const std::string& one : outcome.violations) out += one + "\n";
  return out;
}

class ScenarioTest : public testing::TestWithParam<Scenario> {};
INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(Scenarios()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(ScenarioTest, ItsFirstSeedsAreGood) {
  uint64_t messages = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Outcome outcome = Play(MakePlan(GetParam().name, seed));
    EXPECT_EQ(Said(outcome), "") << "tools/sim --scenario " << GetParam().name << " --seed "
                                 << seed;
    messages += outcome.counts.messages;
  }
  EXPECT_GT(messages, 8u * 10);
}

TEST_P(ScenarioTest, ASeedGoesTheSameWayTwice) {
  for (uint64_t seed = 101; seed <= 102; ++seed) {
    const Plan plan = MakePlan(GetParam().name, seed);
    EXPECT_EQ(Play(plan).trace_hash, Play(plan).trace_hash) << seed;
  }
}

TEST_P(ScenarioTest, APlanSurvivesItsTextForm) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Plan plan = MakePlan(GetParam().name, seed);
    const StatusOr<Plan> again = ParsePlan(Print(plan));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, plan);
  }
}

TEST(PlanTest, SeedsDiffer) {
  EXPECT_NE(Print(MakePlan("storm", 1)), Print(MakePlan("storm", 2)));
  EXPECT_NE(Play(MakePlan("sweep", 1)).trace_hash, Play(MakePlan("sweep", 2)).trace_hash);
}

TEST(PlanTest, AWrongLineIsNamed) {
  const std::string good = Print(MakePlan("sweep", 1));
  const StatusOr<Plan> plan =
      ParsePlan(good + "fault 9 kind=flood at=0 lasts=0 server=0 peer=0 place=0 number=0\n");
  ASSERT_FALSE(plan.ok());
  EXPECT_NE(plan.status().message().find("kind is missing or wrong"), std::string::npos)
      << plan.status();
  EXPECT_FALSE(ParsePlan("message 1\n").ok());
  EXPECT_FALSE(ParsePlan("").ok());
}

// Message 7 and fault 3 together are at fault.
TEST(ShrinkTest, FindsWhatMatters) {
  const Plan big = MakePlan("storm", 3);
  ASSERT_GE(big.faults.size(), 3u);
  const auto fails = [](const Plan& plan) {
    const bool message = std::any_of(plan.messages.begin(), plan.messages.end(),
                                     [](const auto& m) { return m.number == 7; });
    const bool fault = std::any_of(plan.faults.begin(), plan.faults.end(),
                                   [](const auto& f) { return f.id == 3; });
    return message && fault;
  };
  const Plan small = Shrink(big, fails, 500);
  EXPECT_TRUE(fails(small));
  EXPECT_EQ(small.messages.size(), 1u);
  EXPECT_EQ(small.faults.size(), 1u);
  EXPECT_EQ(small.messages[0].recipients.size(), 1u);
}

TEST(KeptScenarios, WhatFailedOnceDoesNotFailAgain) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(RINGMAIL_SCENARIOS)) {
    if (entry.path().extension() != ".plan") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const StatusOr<Plan> plan = ParsePlan(text);
    ASSERT_TRUE(plan.ok()) << entry.path() << ": " << plan.status();
    EXPECT_EQ(Said(Play(*plan)), "") << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace ringmail::sim
