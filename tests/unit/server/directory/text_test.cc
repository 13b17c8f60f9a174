#include "server/directory/text.h"

#include <gtest/gtest.h>

namespace ringmail::server {
namespace {

TEST(DirectoryText, ReadsWhatItWrites) {
  storage::AccountEntry account{.address = "john doe@example.org",
                                .display_name = "John \"Joe\" \\ Doe #1",
                                .comment = "a=b",
                                .enabled = false,
                                .quota_bytes = 10u << 20,
                                .quota_messages = 5,
                                .created = FromUnixSeconds(1'700'000'000)};
  account.credentials = {{storage::CredentialKind::kPassword, "", "{SHA512-CRYPT}$6$a$b=", {}},
                         {storage::CredentialKind::kAppPassword, "my phone", "{X}y:z", {}},
                         {storage::CredentialKind::kScram, "", "{SCRAM-SHA-256}4096,a,b,c", {}}};
  const std::vector<storage::DirectoryEntry> entries = {
      storage::DomainEntry{.name = "example.org", .comment = "ours"}, account,
      storage::AccountEntry{.address = "plain@example.org"},
      storage::AliasEntry{.address = "@example.org", .targets = {"a@b.example", "c d@e.example"}},
      storage::MovedEntry{.address = "old@example.org", .new_address = "new@b.example"}};
  std::string text;
  for (const auto& one : entries) text += WriteDirectoryLine(one);
  const DirectoryText read = ParseDirectoryText(text);
  for (const TextFault& one : read.faults) ADD_FAILURE() << one.line << ": " << one.what;
  ASSERT_EQ(read.entries.size(), entries.size()) << text;
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_TRUE(read.entries[i].entry == entries[i]) << WriteDirectoryLine(read.entries[i].entry);
    EXPECT_EQ(Differences(read.entries[i].entry, entries[i]), "");
    EXPECT_FALSE(read.entries[i].keeps_credentials);
  }
}

TEST(DirectoryText, NamesEveryFaultByItsLine) {
  const DirectoryText read = ParseDirectoryText(
      "# a comment\n"
      "domain example.org\r\n"
      "acount bob@example.org\n"
      "account bob\n"
      "account bob@example.org qota=1GiB\n"
      "account bob@example.org quota=much\n"
      "account \"bob@example.org\n"
      "\n"
      "alias sales@example.org\n"
      "alias sales@example.org to=nobody\n"
      "domain Example.ORG\n"
      "account bob@example.org name=Bob name=Rob\n"
      "account bob@example.org enabled=maybe # why not\n"
      "account eve@example.org   # keeps what she has\n");
  std::vector<std::pair<uint32_t, std::string>> faults;
  for (const TextFault& one : read.faults) faults.emplace_back(one.line, one.what);
  const std::vector<std::pair<uint32_t, std::string>> expected = {
      {3, "'acount' is none of domain, account, alias, moved; did you mean 'account'?"},
      {4, "'bob' is no address"},
      {5, "unknown key 'qota'; did you mean 'quota'?"},
      {6, "quota must be a size with its unit: 10GiB"},
      {7, "a quote is not closed"},
      {9, "sales@example.org: an alias needs a target"},
      {10, "'nobody' is no address"},
      {11, "example.org is there already, in line 2"},
      {12, "name is there twice"},
      {13, "enabled must be yes or no"}};
  EXPECT_EQ(faults, expected);
  ASSERT_EQ(read.entries.size(), 2u);
  EXPECT_TRUE(read.entries[1].keeps_credentials);
}

TEST(DirectoryText, TimesAreRealOnes) {
  EXPECT_EQ(ParseTime("1970-01-01T00:00:10Z"), FromUnixSeconds(10));
  EXPECT_EQ(ParseTime("2026-11-23T16:19:24Z"), FromUnixSeconds(1'795'450'764));
  for (std::string_view wrong : {"", "2026-02-30T00:00:00Z", "2026-11-23 16:19:24Z",
                                 "2026-11-23T24:00:00Z", "1969-12-31T23:59:59Z"})
    EXPECT_FALSE(ParseTime(wrong).has_value()) << wrong;
}

TEST(DirectoryText, WhoNamedAnAccountIsKept) {
  const std::string line = "account bob@example.org backend=people credentials=none";
  const DirectoryText read = ParseDirectoryText("domain example.org\n" + line + "\n");
  ASSERT_TRUE(read.faults.empty());
  ASSERT_EQ(read.entries.size(), 2u);
  EXPECT_EQ(std::get<storage::AccountEntry>(read.entries[1].entry).backend, "people");
  const DirectoryText again = ParseDirectoryText(WriteDirectoryLine(read.entries[1].entry));
  EXPECT_EQ(again.entries.at(0).entry, read.entries[1].entry);
  const auto decoded =
      storage::DecodeEntry("bob@example.org", storage::EncodeEntry(read.entries[1].entry));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, read.entries[1].entry);
}

}  // namespace
}  // namespace ringmail::server
