#include "ringmail/backend/passwd_file.h"

#include <gtest/gtest.h>

#include <map>

#include "ringmail/io/timer.h"
#include "tests/sim/io/world.h"

namespace ringmail::backend {
namespace {

PasswdTable Read(std::string_view text, PasswdFormat format = PasswdFormat::kDovecot,
                 std::string_view scheme = "") {
  std::vector<std::string> warnings;
  auto table = PasswdTable::Parse(text, format, scheme, warnings);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : PasswdTable();
}

std::string Fault(std::string_view text, PasswdFormat format = PasswdFormat::kDovecot) {
  std::vector<std::string> warnings;
  return std::string(Std(PasswdTable::Parse(text, format, "", warnings).status().message()));
}

const BackendAccount* Find(const PasswdTable& table, std::string_view address) {
  return table.Find(BackendQuestion::Of(address));
}

TEST(PasswdFile, DovecotsFieldsAreRead) {
  const PasswdTable table = Read(
      "# a comment\r\n"
      "\n"
      "Bob@example.org:{SSHA}abc:1000:1000:Bob:/home/bob:/bin/sh:"
      "userdb_quota_rule=*:storage=10M:messages=5 allow_nets=192.0.2.0/24\r\n"
      "ann:{PLAIN}x::::::forward=a@example.net,b@example.net\n"
      "short:{PLAIN}y");
  EXPECT_EQ(table.size(), 3u);
  const BackendAccount* const bob = Find(table, "bob@example.org");
  ASSERT_NE(bob, nullptr);
  EXPECT_EQ(bob->password, "{SSHA}abc");
  EXPECT_EQ(bob->quota_bytes, 10u << 20);
  EXPECT_EQ(bob->quota_messages, 5u);
  EXPECT_TRUE(bob->restricted);
  EXPECT_EQ(Find(table, "bob@example.net"), nullptr);
  ASSERT_NE(Find(table, "ann@example.net"), nullptr);
  EXPECT_EQ(Find(table, "ann@example.net")->forward.size(), 2u);
  ASSERT_NE(Find(table, "short@example.org"), nullptr);
  EXPECT_FALSE(Find(table, "short@example.org")->quota_bytes.has_value());
}

TEST(PasswdFile, StorageOfAQuotaRuleIsKilobytesWhereItHasNoUnit) {
  const PasswdTable table = Read(
      "a:x::::::quota_rule=*:storage=1024\nb:x::::::quota_rule=*:bytes=9\n"
      "c:x::::::quota_rule=Trash:storage=1\n");
  EXPECT_EQ(Find(table, "a@e")->quota_bytes, 1u << 20);
  EXPECT_EQ(Find(table, "b@e")->quota_bytes, 9u);
  EXPECT_FALSE(Find(table, "c@e")->quota_bytes.has_value());
}

TEST(PasswdFile, NopasswordLetsNobodyInAndOtherFieldsAreToldOnce) {
  std::vector<std::string> warnings;
  const auto table = PasswdTable::Parse(
      "a:{PLAIN}x::::::nopassword\nb:{PLAIN}x::::::proxy=y host=h\nc:{PLAIN}x::::::proxy=y\n",
      PasswdFormat::kDovecot, "", warnings);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(Find(*table, "a@e")->password, "");
  EXPECT_EQ(Find(*table, "b@e")->password, "{PLAIN}x");
  EXPECT_EQ(warnings, (std::vector<std::string>{
                          "line 1: nopassword is not obeyed: such an account cannot log in here",
                          "line 2: extra field 'proxy' means nothing here",
                          "line 2: extra field 'host' means nothing here"}));
}

TEST(PasswdFile, TheFirstOfTwoOfOneNameCounts) {
  std::vector<std::string> warnings;
  const auto table =
      PasswdTable::Parse("a:{PLAIN}1\nA:{PLAIN}2\n", PasswdFormat::kDovecot, "", warnings);
  EXPECT_EQ(Find(*table, "a@e")->password, "{PLAIN}1");
  EXPECT_EQ(warnings.size(), 1u);
}

TEST(PasswdFile, CouriersPasswordsHaveAnOrder) {
  const PasswdTable table = Read(
      "bob@example.org\thome=/h|imappw=$1$a$b|systempw=$1$c$d|quota=1000S,10C\n"
      "ann\timappw=$1$a$b\n",
      PasswdFormat::kCourier);
  EXPECT_EQ(Find(table, "bob@example.org")->password, "$1$c$d");
  EXPECT_EQ(Find(table, "bob@example.org")->quota_bytes, 1000u);
  EXPECT_EQ(Find(table, "bob@example.org")->quota_messages, 10u);
  EXPECT_EQ(Find(table, "ann@example.org")->password, "$1$a$b");
}

TEST(PasswdFile, OfEtcPasswdWhatIsNoPasswordIsNone) {
  const PasswdTable table =
      Read("a:x:0:0::/:/bin/sh\nb:*:0:0::/:\nc:!$6$a$b:0:0::/:\nd:$6$a$b:0:0::/:/x y\n",
           PasswdFormat::kPasswd);
  EXPECT_EQ(Find(table, "a@e")->password, "");
  EXPECT_EQ(Find(table, "b@e")->password, "");
  EXPECT_EQ(Find(table, "c@e")->password, "");
  EXPECT_EQ(Find(table, "d@e")->password, "$6$a$b");
}

TEST(PasswdFile, AFaultNamesItsLine) {
  EXPECT_EQ(Fault("a:x\nb\n"), "line 2: has no colon behind the user");
  EXPECT_EQ(Fault(":x\n"), "line 1: has no user");
  EXPECT_EQ(Fault("a:x::::::allow_nets=here\n"), "line 1: 'allow_nets=here' cannot be read");
  EXPECT_EQ(Fault("a:x::::::quota_rule=*:storage=1Z\n"),
            "line 1: 'quota_rule=*:storage=1Z' cannot be read");
  EXPECT_EQ(Fault("a b\n", PasswdFormat::kCourier), "line 1: has no tab behind the user");
  EXPECT_EQ(Fault("a\tquota=1Q\n", PasswdFormat::kCourier), "line 1: the quota cannot be read");
  EXPECT_EQ(Fault(std::string_view("a:\0x\n", 5)), "line 1: holds a NUL");
  EXPECT_EQ(Fault("a:::::::" + std::string(kPasswdLineBytesMax - 8, ' ')), "");
  EXPECT_NE(Fault("a:::::::" + std::string(kPasswdLineBytesMax - 7, ' ')), "");
}

// A file in memory; the reader has no context, so it is the test's only one.
struct File {
  std::string text;
  PasswdStamp stamp;
  bool there = true;
  int reads = 0;
};
File& TheFile() {
  static File* const file = new File();
  return *file;
}
PasswdReader TheReader() {
  return {.read = [](const std::string& path, size_t) -> StatusOr<std::string> {
            ++TheFile().reads;
            return TheFile().text;
          },
          .stamp = [](const std::string& path) -> StatusOr<PasswdStamp> {
            if (!TheFile().there) return absl::NotFoundError(Absl(path));
            return TheFile().stamp;
          }};
}

struct Questions {
  std::shared_ptr<PasswdFile> file;
  std::string seen;
  static io::Task<void> Main(void* context) {
    auto& self = *static_cast<Questions*>(context);
    const auto backend = MakePasswdFileBackend(self.file);
    for (int step = 0; step < 6; ++step) {
      if (step == 1) TheFile().text = "b:x\n", TheFile().stamp.inode = 2;
      if (step == 2) co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
      if (step == 3) {
        TheFile().text = "broken";
        TheFile().stamp.inode = 3;
        co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
      }
      if (step == 4) {
        TheFile().there = false;
        co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
      }
      if (step == 5) {
        TheFile().there = true;
        TheFile().text = "a:x\nb:x\n";
        TheFile().stamp.modified_ns = 4;
        co_await io::SleepUntil(io::Now() + std::chrono::seconds(2));
      }
      for (const std::string_view one : {"a@e", "b@e"}) {
        const BackendAnswer answer =
            co_await backend->Find(BackendQuestion::Of(one), io::Now() + std::chrono::seconds(1));
        self.seen += answer.kind == BackendAnswer::Kind::kFound ? one.front() : '-';
      }
      self.seen += ' ';
    }
  }
};

TEST(PasswdFile, IsReadAgainOnceInASecondAndOnlyWhereItChangedAndIsWhole) {
  TheFile() = {.text = "a:x\n", .stamp = {.inode = 1}};
  auto file = PasswdFile::Open({.path = "/people"}, TheReader());
  ASSERT_TRUE(file.ok());
  Questions questions{.file = *file, .seen = {}};
  sim::World world;
  sim::Node& node = world.AddNode({});
  node.Start(&Questions::Main, &questions);
  ASSERT_TRUE(world.RunUntil([&] { return !node.running(); }));
  EXPECT_EQ(questions.seen, "a- a- -b -b -b ab ");
  // At first, the second file, the broken one, and the last.
  EXPECT_EQ(TheFile().reads, 4);
}

TEST(PasswdFile, ThatIsBrokenAtFirstIsNotOpened) {
  TheFile() = {.text = "broken", .stamp = {.inode = 1}};
  EXPECT_EQ(PasswdFile::Open({.path = "/people"}, TheReader()).status().message(),
            "/people: line 1: has no colon behind the user");
  TheFile().there = false;
  EXPECT_TRUE(absl::IsNotFound(PasswdFile::Open({.path = "/people"}, TheReader()).status()));
}

}  // namespace
}  // namespace ringmail::backend
