// Entries and the table that holds them: pure.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "ringmail/storage/directory.h"
#include "storage/directory/table.h"
#include "storage/format.h"

namespace ringmail::storage {
namespace {

AccountEntry FullAccount() {
  return {.address = "bob@example.org",
          .id = 77,
          .display_name = "Bob Bobson",
          .comment = "third floor",
          .enabled = false,
          .quota_bytes = 1u << 30,
          .quota_messages = 1000,
          .created = FromUnixSeconds(1'700'000'000),
          .credentials = {{CredentialKind::kPassword, "", "{ARGON2ID}$x", FromUnixSeconds(5)},
                          {CredentialKind::kAppPassword, "phone", "{ARGON2ID}$y", {}},
                          {CredentialKind::kScram, "", "{SCRAM-SHA-256}4096,a,b,c", {}}}};
}

TEST(DirectoryEntry, OfEachKindIsReadBackAsItWasWritten) {
  const std::vector<DirectoryEntry> entries = {
      DomainEntry{.name = "example.org", .comment = "ours", .created = FromUnixSeconds(1)},
      FullAccount(), AccountEntry{.address = "a@b.example"},
      AliasEntry{.address = "@example.org", .targets = {"a@b.example", "c@d.example"}},
      MovedEntry{.address = "old@example.org", .new_address = "new@b.example"}};
  for (const DirectoryEntry& entry : entries) {
    EXPECT_TRUE(CheckEntry(entry).ok()) << CheckEntry(entry);
    const auto read = DecodeEntry(NameOf(entry), EncodeEntry(entry));
    ASSERT_TRUE(read.has_value()) << NameOf(entry);
    EXPECT_TRUE(*read == entry) << NameOf(entry);
    EXPECT_EQ(EncodedKind(EncodeEntry(entry)), KindOf(entry));
  }
}

TEST(DirectoryEntry, OfALaterVersionIsNotGuessedAt) {
  std::string value = EncodeEntry(FullAccount());
  EXPECT_TRUE(AccountView::Parse("bob@example.org", value).has_value());
  EXPECT_FALSE(AccountView::Parse("bob@example.org", value + '\x7e' + '\x01').has_value());
  EXPECT_FALSE(DecodeEntry("bob@example.org", value + '\x7e' + '\x01').has_value());
  value[1] = 2;
  EXPECT_FALSE(EncodedKind(value).has_value());
  EXPECT_FALSE(AccountView::Parse("bob@example.org", value).has_value());
}

TEST(DirectoryEntry, CutAnywhereIsNeverReadAsAnotherAccount) {
  const std::string value = EncodeEntry(FullAccount());
  for (size_t bytes = 0; bytes < value.size(); ++bytes) {
    const auto read = DecodeEntry("bob@example.org", value.substr(0, bytes));
    if (!read) continue;
    EXPECT_FALSE(*read == DirectoryEntry(FullAccount()));
  }
}

TEST(DirectoryEntry, AccountViewSaysWhatTheEntrySays) {
  const std::string value = EncodeEntry(FullAccount());
  const auto view = AccountView::Parse("bob@example.org", value);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->id(), 77u);
  EXPECT_FALSE(view->enabled());
  EXPECT_EQ(view->quota_bytes(), 1u << 30);
  EXPECT_EQ(view->quota_messages(), 1000u);
  EXPECT_EQ(view->display_name(), "Bob Bobson");
  std::vector<std::string> secrets;
  view->VisitCredentials(
      [](void* context, const AccountView::CredentialView& one) {
        static_cast<std::vector<std::string>*>(context)->emplace_back(one.secret);
        return one.kind != CredentialKind::kAppPassword;
      },
      &secrets);
  EXPECT_EQ(secrets, (std::vector<std::string>{"{ARGON2ID}$x", "{ARGON2ID}$y"}));
}

TEST(DirectoryEntry, LimitsAreHeldAtTheLimitAndOnePast) {
  const auto ok = [](const DirectoryEntry& entry) { return CheckEntry(entry).ok(); };
  AccountEntry account{.address = "a@b.example"};
  account.display_name.assign(kDisplayNameBytesMax, 'x');
  account.comment.assign(kDirectoryCommentBytesMax, 'x');
  for (size_t i = 0; i < kAccountCredentialsMax; ++i) {
    account.credentials.push_back({CredentialKind::kAppPassword,
                                   "app" + std::to_string(i),
                                   std::string(kCredentialSecretBytesMax, 'h'),
                                   {}});
  }
  EXPECT_TRUE(ok(account));
  AccountEntry worse = account;
  worse.display_name += 'x';
  EXPECT_FALSE(ok(worse));
  worse = account;
  worse.comment += 'x';
  EXPECT_FALSE(ok(worse));
  worse = account;
  worse.credentials.push_back({CredentialKind::kPassword, "", "x", {}});
  EXPECT_FALSE(ok(worse));
  worse = account;
  worse.credentials[0].secret += 'x';
  EXPECT_FALSE(ok(worse));
  worse = account;
  worse.credentials[0].name = "app1";
  EXPECT_FALSE(ok(worse)) << "two app passwords of one name";
  worse = account;
  worse.display_name = "a\nb";
  EXPECT_FALSE(ok(worse)) << "a line end";
  AliasEntry alias{.address = "x@b.example"};
  EXPECT_FALSE(ok(alias)) << "no target";
  for (size_t i = 0; i < kAliasTargetsMax; ++i)
    alias.targets.push_back("t" + std::to_string(i) + "@b.example");
  EXPECT_TRUE(ok(alias));
  alias.targets.push_back("one@more.example");
  EXPECT_FALSE(ok(alias));
}

TEST(DirectoryName, IsOneForAllWaysToWriteAnAddress) {
  EXPECT_EQ(DirectoryAddress("Bob@Example.ORG"), "bob@example.org");
  EXPECT_EQ(DirectoryAddress("\"Bob\"@example.org"), "bob@example.org");
  EXPECT_EQ(DirectoryAddress("\"b\\ob\"@example.org"), "bob@example.org");
  EXPECT_EQ(DirectoryAddress("\"john doe\"@example.org"), "john doe@example.org");
  EXPECT_EQ(DirectoryAddress("john doe@example.org"), "john doe@example.org");
  // "@" in front is the catch-all's.
  EXPECT_FALSE(DirectoryAddress("\"@x\"@example.org").has_value());
  EXPECT_FALSE(DirectoryAddress("@x@example.org").has_value());
  EXPECT_EQ(DirectoryAddress("b\xc3\xb6"
                             "b@example.org"),
            "b\xc3\xb6"
            "b@example.org");
  for (std::string_view wrong :
       {"bob", "@example.org", "\"\"@example.org", "bob@", "bob@[192.0.2.1]", "a@b@",
        "bob@exa mple.org", "bo\nb@example.org"}) {
    EXPECT_FALSE(DirectoryAddress(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(DirectoryAliasName("@Example.org"), "@example.org");
  EXPECT_EQ(DirectoryDomain("Example.org"), "example.org");
  EXPECT_FALSE(DirectoryDomain("a@b").has_value());
  EXPECT_EQ(WrittenAddress("john doe@example.org"), "\"john doe\"@example.org");
  EXPECT_EQ(WrittenAddress("a\"b@example.org"), "\"a\\\"b\"@example.org");
  EXPECT_EQ(WrittenAddress("bob@example.org"), "bob@example.org");
  EXPECT_EQ(DomainOfName("a@b@c"), "c");
}

TEST(DirectoryRecord, IsReadBackAndNothingElseIs) {
  for (const DirectoryMeta& meta :
       {DirectoryMeta{.version = 5, .name = "a", .value = "b"},
        DirectoryMeta{.version = 5, .staged = true, .tombstone = true, .name = "a"},
        DirectoryMeta{.version = 1, .state = true, .value = "0123"}}) {
    std::string bytes;
    EncodeDirectoryMeta(meta, bytes);
    const auto read = DecodeDirectoryMeta(bytes);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->version, meta.version);
    EXPECT_EQ(read->staged, meta.staged);
    EXPECT_EQ(read->tombstone, meta.tombstone);
    EXPECT_EQ(read->state, meta.state);
    EXPECT_EQ(read->name, meta.name);
    EXPECT_EQ(read->value, meta.value);
    EXPECT_FALSE(DecodeDirectoryMeta(bytes + "x").has_value());
    EXPECT_FALSE(DecodeDirectoryMeta(bytes.substr(0, bytes.size() - 1)).has_value());
  }
}

// --- the table ---

std::map<std::string, std::string> All(const TrieNode* root, size_t step) {
  std::map<std::string, std::string> out;
  uint64_t cursor = 0;
  do {
    cursor = VisitEntries(
        root, cursor, step,
        [](void* context, const EntryNode& entry) {
          auto& to = *static_cast<std::map<std::string, std::string>*>(context);
          EXPECT_TRUE(to.emplace(entry.name(), entry.value()).second);
        },
        &out);
  } while (cursor != 0);
  return out;
}

TEST(DirectoryTable, HoldsWhatAMapHoldsInEveryVersionThatIsStillLookedAt) {
  std::mt19937_64 random(4711);
  DirectoryTable table;
  std::map<std::string, std::string> model;
  struct Version {
    uint64_t edit;
    const TrieNode* root;
    std::map<std::string, std::string> model;
  };
  std::vector<Version> versions;
  uint64_t number = 0;
  for (int round = 0; round < 60; ++round) {
    if (round > 5) table.BeginEdit();  // before that, nobody looks
    std::set<std::string> touched;
    for (int i = 0; i < 80; ++i) {
      const std::string name = "user" + std::to_string(random() % 700) + "@example.org";
      if (!touched.insert(name).second) continue;
      if (random() % 3 == 0) {
        (void)table.Erase(name);
        model.erase(name);
      } else {
        const std::string value = std::to_string(++number);
        (void)table.Set(EntryNode::Make(name, value, number));
        model[name] = value;
      }
    }
    EXPECT_EQ(table.size(), model.size());
    if (round > 4) versions.push_back({table.edit(), table.root(), model});
    if (round % 9 == 8 && !versions.empty()) {
      // The oldest that is looked at stays whole; what only older ones needed goes.
      versions.erase(versions.begin(), versions.begin() + std::ssize(versions) / 2);
      table.Free(versions.front().edit);
    }
    for (const Version& one : versions) EXPECT_EQ(All(one.root, 1 + random() % 50), one.model);
    for (const auto& [name, value] : model) EXPECT_EQ(table.Find(name)->value(), value);
  }
  EXPECT_EQ(table.Find("nobody@example.org"), nullptr);
  EXPECT_GT(table.retired_count(), 0u);
  table.Free(table.edit());
  EXPECT_EQ(table.retired_count(), 0u);
}

TEST(DirectoryTable, EmptyHasNothingAndVisitsNothing) {
  DirectoryTable table;
  EXPECT_EQ(table.Find("x"), nullptr);
  EXPECT_TRUE(All(table.root(), 3).empty());
  EXPECT_EQ(table.Erase("x"), nullptr);
  (void)table.Set(EntryNode::Make("x", "1", 1));
  EXPECT_NE(table.Erase("x"), nullptr);
  EXPECT_TRUE(All(table.root(), 3).empty());
  EXPECT_EQ(table.size(), 0u);
}

TEST(DirectoryTable, HashIsTheSameForEver) {
  // It is on the disk, in digests.
  EXPECT_EQ(StableHash("bob@example.org", 0), 15948534895510162839u);
  EXPECT_EQ(StableHash("", 7), 8409816773569330625u);
}

}  // namespace
}  // namespace ringmail::storage
