#include "ringmail/foreign/mailbox_name.h"

#include "gtest/gtest.h"

namespace ringmail::foreign {
namespace {

TEST(MailboxName, LevelsAreModifiedUtf7) {
  EXPECT_EQ(NameFromPath("Entw&APw-rfe.2024", '.'), "Entw\xC3\xBCrfe/2024");
  EXPECT_EQ(LevelsOfName("Entw\xC3\xBCrfe/2024", '.'),
            (std::vector<std::string>{"Entw&APw-rfe", "2024"}));
}

TEST(MailboxName, WhatIsUtf8AlreadyStays) {
  EXPECT_EQ(NameFromPath("Entw\xC3\xBCrfe", '/'), "Entw\xC3\xBCrfe");
  EXPECT_EQ(NameFromPath("Entw\xFCrfe", '/'), std::nullopt);
}

TEST(MailboxName, ABareAmpersandIsWhatItLooksLike) { EXPECT_EQ(NameFromPath("R&D", '/'), "R&D"); }

TEST(MailboxName, ADotWithinALevelIsEncodedWhereDotsPartLevels) {
  EXPECT_EQ(LevelsOfName("v1.2/x", '.'), (std::vector<std::string>{"v1&AC4-2", "x"}));
  EXPECT_EQ(NameFromPath("v1&AC4-2.x", '.'), "v1.2/x");
  EXPECT_EQ(LevelsOfName("v1.2/x", '/'), (std::vector<std::string>{"v1.2", "x"}));
}

TEST(MailboxName, NoLevelIsADirectoryOfTheFileSystems) {
  EXPECT_EQ(LevelsOfName("a/../b", '/'), (std::vector<std::string>{"a", "&AC4-&AC4-", "b"}));
}

TEST(MailboxName, InboxIsOneInAnyLetters) {
  EXPECT_EQ(NameFromPath("inbox.a", '.'), "INBOX/a");
  EXPECT_EQ(NameFromPath("a.inbox", '.'), "a/inbox");
}

TEST(MailboxName, EmptyLevelsAndControlsAreNoNames) {
  for (const char* path : {"", "a..b", ".a", "a.", "a\x01", "&AAE-"})
    EXPECT_EQ(NameFromPath(path, '.'), std::nullopt) << path;
}

TEST(MailboxName, ASlashWithinALevelBecomesAnUnderscore) {
  EXPECT_EQ(NameFromPath("a/b.c", '.'), "a_b/c");
  EXPECT_EQ(NameFromPath("a&AC8-b", '.'), "a_b");
}

TEST(MailboxName, NamesAboveComeTopmostFirst) {
  EXPECT_EQ(NamesAbove("a/b/c"), (std::vector<std::string_view>{"a", "a/b"}));
  EXPECT_TRUE(NamesAbove("a").empty());
}

}  // namespace
}  // namespace ringmail::foreign
