#include "ringmail/foreign/maildir.h"

#include "gtest/gtest.h"

namespace ringmail::foreign {
namespace {

TEST(Maildir, AFileNameIsItsUniquePartAndItsFlags) {
  const MaildirFile file = ParseMaildirFile("1204680122.M1P2.host,S=1234,W=1270:2,FSa");
  EXPECT_EQ(file.unique, "1204680122.M1P2.host,S=1234,W=1270");
  EXPECT_EQ(file.flags, "FSa");
  EXPECT_EQ(file.bytes, 1234u);
  EXPECT_EQ(ParseMaildirFile("1204680122.M1P2.host").flags, "");
  EXPECT_EQ(ParseMaildirFile("1204680122.host:1,FS").flags, "");
  EXPECT_EQ(ParseMaildirFile("1204680122.host,S=12x:2,S").bytes, std::nullopt);
}

TEST(Maildir, HiddenFilesAreNoMessages) {
  EXPECT_EQ(ParseMaildirFile(".nfs0001").unique, "");
  EXPECT_EQ(ParseMaildirFile("").unique, "");
}

TEST(Maildir, FlagsAreLettersAndKeywordsSmallOnes) {
  MaildirKeywords keywords = ParseMaildirKeywords("0 $Junk\n1 work\n26 no\nx y\n2 not an atom\n");
  EXPECT_EQ(keywords[0], "$Junk");
  EXPECT_EQ(keywords[2], "");
  Marks marks;
  AddMaildirFlags("DFPRSTabcZ", keywords, marks);
  EXPECT_EQ(marks.flags, kDraft | kFlagged | kAnswered | kSeen | kDeleted);
  EXPECT_EQ(marks.keywords, (std::vector<std::string>{"$Forwarded", "$Junk", "work"}));
  uint32_t lost = 0;
  EXPECT_EQ(FormatMaildirFlags(marks, keywords, lost), "DFPRSTab");
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(FormatMaildirKeywords(keywords), "0 $Junk\n1 work\n");
}

TEST(Maildir, TheTwentySeventhKeywordIsLostAndCounted) {
  MaildirKeywords keywords;
  Marks marks;
  for (int i = 0; i < 27; ++i) marks.keywords.push_back("k" + std::to_string(i));
  uint32_t lost = 0;
  EXPECT_EQ(FormatMaildirFlags(marks, keywords, lost), "abcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(lost, 1u);
}

TEST(Maildir, UidListsOfBothVersionsAreRead) {
  UidList list;
  EXPECT_FALSE(
      ParseUidList("3 V1275660208 N25022 Gabc\n25006 W123 :1275660208.M1.host,S=1:2,S\n"
                   "25017 :b\n",
                   list));
  EXPECT_EQ(list.uid_validity, 1275660208u);
  EXPECT_EQ(list.uid_next, 25022u);
  ASSERT_EQ(list.uids.size(), 2u);
  EXPECT_EQ(list.uids[0], std::pair(25006u, std::string("1275660208.M1.host,S=1")));
  UidList courier;
  EXPECT_FALSE(ParseUidList("1 77 3\n1 a\n2 b\n", courier));
  EXPECT_EQ(courier.uid_validity, 77u);
  EXPECT_EQ(courier.uids[1].second, "b");
  UidList again;
  EXPECT_FALSE(ParseUidList(FormatUidList(list), again));
  EXPECT_EQ(again.uids, list.uids);
  EXPECT_EQ(again.uid_next, list.uid_next);
}

TEST(Maildir, AUidListThatGoesBackIsFaultyAtThatLine) {
  UidList list;
  const auto fault = ParseUidList("1 77 3\n2 a\n1 b\n", list);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->at, 11u);
  EXPECT_EQ(list.uids.size(), 1u);
  UidList none;
  EXPECT_TRUE(ParseUidList("", none));
  UidList control;
  EXPECT_TRUE(ParseUidList("3 V1 N5\n2 :a\rb:\n", control));
  EXPECT_TRUE(ParseUidList("4 V1\n", none));
  EXPECT_TRUE(ParseUidList("3 V1 N2\n1 W5\n", none));
}

TEST(Maildir, SubscriptionsOfBothVersionsAndOfCourier) {
  EXPECT_EQ(ParseSubscriptions("INBOX\nSent.2024\n\nEntw&APw-rfe\n", '.'),
            (std::vector<std::string>{"INBOX", "Sent/2024", "Entw\xC3\xBCrfe"}));
  EXPECT_EQ(ParseSubscriptions("V\t2\n\nSent\t2024\nINBOX\n", '.'),
            (std::vector<std::string>{"Sent/2024", "INBOX"}));
  EXPECT_EQ(ParseSubscriptions("INBOX.Sent\n", '.'), (std::vector<std::string>{"Sent"}));
  const std::vector<std::string> names = {"INBOX", "Sent/2024", "v1.2"};
  EXPECT_EQ(ParseSubscriptions(FormatSubscriptions(names), '.'), names);
}

TEST(Maildir, FoldersBeginWithADot) {
  EXPECT_EQ(NameOfFolder(".Sent.2024"), "Sent/2024");
  EXPECT_EQ(FolderOfName("Sent/2024"), ".Sent.2024");
  for (const char* folder : {"cur", ".", "..", ".a..b", ""})
    EXPECT_EQ(NameOfFolder(folder), std::nullopt) << folder;
}

}  // namespace
}  // namespace ringmail::foreign
