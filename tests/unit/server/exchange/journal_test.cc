#include "server/exchange/journal.h"

#include "gtest/gtest.h"

namespace ringmail::server {
namespace {

JournalBatch MakeBatch(uint32_t lane, std::string expect, std::string token) {
  return {.lane = lane,
          .expect = std::move(expect),
          .token = std::move(token),
          .mailbox = "Sent/Entw\xC3\xBCrfe \n-",
          .items = {{"1.a,S=5:x y", 10, 100}, {"2.b", 20, 200}}};
}

std::string Text() {
  const JournalBatch first = MakeBatch(0, "", "0.0"), second = MakeBatch(0, "0.0", "0.1");
  return FormatJournalHead({"job", "bob@example.org", "/a b/c\n"}) + FormatBegun(first) +
         FormatEnded(first, {7, 0}) + FormatBegun(second);
}

TEST(Journal, SaysWhatIsThereAndWhatIsOpen) {
  Journal journal;
  const std::string text = Text();
  ASSERT_FALSE(journal.Read(text));
  EXPECT_EQ(journal.head(), (JournalHead{"job", "bob@example.org", "/a b/c\n"}));
  EXPECT_EQ(journal.valid_bytes(), text.size());
  EXPECT_TRUE(journal.Has("Sent/Entw\xC3\xBCrfe \n-", "1.a,S=5:x y"));
  EXPECT_FALSE(journal.Has("Sent/Entw\xC3\xBCrfe \n-", "2.b"));  // the server did not take it
  EXPECT_FALSE(journal.Has("INBOX", "1.a,S=5:x y"));
  ASSERT_TRUE(journal.lanes()[0].open);
  EXPECT_EQ(journal.lanes()[0].open->items, MakeBatch(0, "", "").items);
  EXPECT_EQ(journal.lanes()[0].token, "0.0");
  EXPECT_EQ(journal.batches(), 2u);
}

TEST(Journal, ABatchThatNeverCameLeavesItsMessagesToBeBrought) {
  Journal journal;
  ASSERT_FALSE(journal.Read(Text() + FormatNone(MakeBatch(0, "0.0", "0.1"), "0.2.none")));
  EXPECT_FALSE(journal.lanes()[0].open);
  EXPECT_EQ(journal.lanes()[0].token, "0.2.none");
  EXPECT_EQ(journal.done(), 1u);
}

TEST(Journal, CutAnywhereItKeepsItsWholeLines) {
  const std::string text = Text();
  for (size_t bytes = 0; bytes <= text.size(); ++bytes) {
    Journal journal;
    EXPECT_FALSE(journal.Read(std::string_view(text).substr(0, bytes))) << bytes;
    EXPECT_TRUE(journal.valid_bytes() == 0 || text[journal.valid_bytes() - 1] == '\n');
    EXPECT_LE(journal.valid_bytes(), bytes);
  }
}

TEST(Journal, ALineThatIsNotAsItWasWrittenIsFaultyUnlessItIsTheLast) {
  const std::string text = Text();
  const size_t last = text.rfind('\n', text.size() - 2) + 1;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n') continue;
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    if (damaged[at] == '\n') continue;
    Journal journal;
    const auto fault = journal.Read(damaged);
    EXPECT_EQ(fault.has_value(), at < last) << at;
    if (at >= last) EXPECT_EQ(journal.valid_bytes(), last);
  }
}

TEST(Journal, ItemsAreMatchedInOrder) {
  const std::vector<JournalItem> items = {{"a", 10, 1}, {"b", 10, 1}, {"c", 30, 3}, {"d", 40, 4}};
  EXPECT_EQ(MatchItems(items, {{5, 10, 1}, {6, 99, 9}, {7, 10, 1}, {9, 40, 4}}),
            (std::vector<uint32_t>{5, 7, 0, 9}));
  EXPECT_EQ(MatchItems(items, {}), (std::vector<uint32_t>(4)));
}

}  // namespace
}  // namespace ringmail::server
