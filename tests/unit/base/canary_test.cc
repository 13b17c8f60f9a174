#include "ringmail/base/canary.h"

#include <gtest/gtest.h>

#ifdef RINGMAIL_CANARIES
#include <set>
#include <string>
#endif

namespace ringmail {

#ifndef RINGMAIL_CANARIES
// So the test below does not link where anything is left of the branch that calls it.
void NobodyDefinesThis();
#endif

namespace {

#ifndef RINGMAIL_CANARIES

template <typename Index>
constexpr bool AnyPlanted() {
  for (Index i = 0; i < static_cast<Index>(Canary::kEnd_); ++i) {
    if (Planted(static_cast<Canary>(i))) return true;
  }
  return false;
}
// An `if` on it is gone before the optimizer sees it.
static_assert(!AnyPlanted<uint8_t>());

TEST(CanaryTest, NoneIsPlantedUnlessTheBuildAsksForThem) {
  if (Planted(Canary::kAckBeforeSync)) NobodyDefinesThis();
}

#else

class CanaryTest : public testing::Test {
 protected:
  ~CanaryTest() override { SetCanary(Canary::kNone); }
};

TEST_F(CanaryTest, NoneIsPlantedUntilOneIsChosen) {
  for (const CanaryRow& row : AllCanaries()) EXPECT_FALSE(Planted(row.canary)) << row.name;
}

TEST_F(CanaryTest, TheChosenOneIsPlantedAndNoOther) {
  for (const CanaryRow& chosen : AllCanaries()) {
    SetCanary(chosen.canary);
    for (const CanaryRow& row : AllCanaries())
      EXPECT_EQ(Planted(row.canary), row.canary == chosen.canary) << row.name;
  }
  SetCanary(Canary::kNone);
  for (const CanaryRow& row : AllCanaries()) EXPECT_FALSE(Planted(row.canary)) << row.name;
}

TEST_F(CanaryTest, NamesAreReadBack) {
  for (const CanaryRow& row : AllCanaries()) {
    EXPECT_EQ(CanaryName(row.canary), row.name);
    EXPECT_EQ(FindCanary(row.name), row.canary);
  }
  EXPECT_EQ(CanaryName(Canary::kNone), "none");
  EXPECT_EQ(FindCanary("none"), Canary::kNone);
  EXPECT_EQ(FindCanary(""), std::nullopt);
  EXPECT_EQ(FindCanary("ack-before-sync "), std::nullopt);
}

TEST_F(CanaryTest, NamesAreDistinctAndInKebabCaseAndEachHasADescription) {
  std::set<std::string> names;
  for (const CanaryRow& row : AllCanaries()) {
    EXPECT_TRUE(names.emplace(row.name).second) << row.name;
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string::npos)
        << row.name;
    EXPECT_GT(row.description.size(), row.name.size()) << row.name;
    EXPECT_EQ(row.description.find('\n'), std::string::npos) << row.name;
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Canary::kEnd_) - 1);
}

#endif

}  // namespace
}  // namespace ringmail
