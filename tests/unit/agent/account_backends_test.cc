#include "ringmail/agent/account_backends.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ringmail/io/gate.h"
#include "ringmail/io/shard.h"
#include "ringmail/io/timer.h"
#include "tests/unit/agent/authenticator_world.h"

namespace ringmail::agent {
namespace {

using backend::BackendAccount;
using backend::BackendAnswer;
using backend::BackendQuestion;
using backend::BackendVerdict;
using io::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Finding = BackendFinding::Kind;
using Recipient = BackendRecipient::Kind;

// A backend that says what the test wants.
class Scripted final : public backend::AccountBackend {
 public:
  Task<BackendAnswer> Find(BackendQuestion question, MonotonicTime) override {
    ++asked;
    last = question.address;
    if (takes > Nanoseconds(0)) co_await io::SleepUntil(io::Now() + takes);
    if (silent) co_await Silence();
    BackendAnswer answer;
    if (away) {
      answer.why = "away";
      co_return answer;
    }
    const auto found = people.find(question.address);
    answer.kind =
        found == people.end() ? BackendAnswer::Kind::kUnknown : BackendAnswer::Kind::kFound;
    if (found != people.end()) answer.account = found->second;
    co_return answer;
  }
  Task<BackendVerdict> Verify(BackendQuestion question, codec::Secret password,
                              MonotonicTime) override {
    ++verified;
    if (silent) co_await Silence();
    if (away) co_return BackendVerdict{};
    co_return BackendVerdict{.kind = password.view() == "pencil" ? BackendVerdict::Kind::kMatch
                                                                 : BackendVerdict::Kind::kMismatch,
                             .why = {}};
  }
  void Cancel() override {
    for (io::Event* const one : waiting) one->Notify();
    waiting.clear();
  }

  std::map<std::string, BackendAccount> people;
  bool away = false, silent = false;
  Nanoseconds takes{0};
  int asked = 0, verified = 0;
  std::string last;

 private:
  Task<void> Silence() {
    io::Event never;
    waiting.push_back(&never);
    (void)co_await never.Wait(kNever);
  }
  std::vector<io::Event*> waiting;
};

// One shard with a directory, a backend for example.org, and an authenticator that knows it.
struct House {
  storage::Directory& directory;
  Scripted& people;
  AccountBackends& backends;
  Authenticator& authenticator;

  std::optional<storage::AccountEntry> Account(std::string_view address) {
    const auto row = directory.Find(address);
    if (!row) return std::nullopt;
    const auto entry = storage::DecodeEntry(address, row->value);
    if (!entry || !std::holds_alternative<storage::AccountEntry>(*entry)) return std::nullopt;
    return std::get<storage::AccountEntry>(*entry);
  }
  Task<bool> Put(storage::DirectoryEntry entry) {
    storage::DirectoryTransaction transaction;
    transaction.changes.push_back(
        storage::DirectoryChange::Put(entry, storage::DirectoryChange::Expect::kAny));
    co_return (co_await directory.Apply(std::move(transaction))).ok();
  }
  Task<Finding> Find(std::string address) {
    co_return (co_await backends.Find(std::move(address), BackendFreshness::kCached)).kind;
  }
  Task<std::string> LogIn(std::string_view name, std::string_view password,
                          IpAddress from = kHome) {
    const AuthStep step = co_await authenticator.LogIn(name, password, Client(from));
    if (step.kind == session::SaslStepKind::kSuccess) co_return step.account;
    co_return step.failure == session::SaslFailure::kUnavailable ? "unavailable" : "refused";
  }
};

using Play = Task<void> (*)(House& house);

struct HouseWorld : storage::StoreWorld {
  Play play = nullptr;
  BackendOptions backend_options = {.name = "people", .domains = {"example.org"}};

  static Task<void> Main(storage::StoreWorld& world, storage::ShardStore& store) {
    auto& self = static_cast<HouseWorld&>(world);
    co_await store.directory().Publish({&store.directory()});
    store.directory().Reconfigure({.configured_domains = {"example.org", "example.net"}});
    const auto backends = AccountBackends::Make(store.directory());
    auto made = std::make_unique<Scripted>();
    Scripted& people = *made;
    backends->Add(self.backend_options, std::move(made));
    AuthenticatorOptions options = TestOptions();
    options.backends = backends.get();
    const auto authenticator = Authenticator::Make(store.directory(), options);
    authenticator->Start({authenticator.get()});
    House house{store.directory(), people, *backends, *authenticator};
    co_await self.play(house);
    co_await backends->Stop();
    co_await authenticator->Stop();
  }
  [[nodiscard]] bool Do(Play what) {
    play = what;
    return Run(1, &HouseWorld::Main);
  }
};

TEST(AccountBackends, WhomABackendNamesGetsAnAccountOnce) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil", .quota_bytes = 1000};
    EXPECT_EQ(co_await house.Find("bob@example.org"), Finding::kFound);
    const auto made = house.Account("bob@example.org");
    EXPECT_TRUE(made.has_value());
    if (!made) co_return;
    EXPECT_EQ(made->backend, "people");
    EXPECT_EQ(made->quota_bytes, 1000u);
    EXPECT_TRUE(made->credentials.empty());
    EXPECT_NE(made->id, 0u);
    const uint64_t version = house.directory.version();
    EXPECT_EQ(co_await house.Find("bob@example.org"), Finding::kFound);
    EXPECT_EQ(house.directory.version(), version);
    EXPECT_EQ(co_await house.Find("nobody@example.org"), Finding::kUnknown);
    EXPECT_FALSE(house.Account("nobody@example.org").has_value());
    EXPECT_EQ(co_await house.Find("bob@example.net"), Finding::kNoPart);
  }));
}

TEST(AccountBackends, AnotherQuotaIsTakenOverAndTheIdStays) {
  HouseWorld w;
  w.backend_options.cache = seconds(0);
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.quota_bytes = 1000};
    co_await house.Find("bob@example.org");
    const uint64_t id = house.Account("bob@example.org")->id;
    house.people.people["bob@example.org"] = {.quota_bytes = 2000, .quota_messages = 5};
    co_await house.Find("bob@example.org");
    EXPECT_EQ(house.Account("bob@example.org")->quota_bytes, 2000u);
    EXPECT_EQ(house.Account("bob@example.org")->quota_messages, 5u);
    EXPECT_EQ(house.Account("bob@example.org")->id, id);
    // What the backend does not say stays.
    house.people.people["bob@example.org"] = {};
    co_await house.Find("bob@example.org");
    EXPECT_EQ(house.Account("bob@example.org")->quota_bytes, 2000u);
  }));
}

TEST(AccountBackends, WhatTheOperatorHasPutThereIsNotAskedFor) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    EXPECT_TRUE(co_await house.Put(storage::AccountEntry{.address = "ann@example.org"}));
    EXPECT_TRUE(co_await house.Put(
        storage::AliasEntry{.address = "all@example.org", .targets = {"ann@example.org"}}));
    EXPECT_EQ(co_await house.Find("ann@example.org"), Finding::kNoPart);
    EXPECT_EQ((co_await house.backends.FindRecipient("all", "example.org")).kind,
              Recipient::kNoPart);
    EXPECT_EQ((co_await house.backends.FindRecipient("ann+x", "example.org")).kind,
              Recipient::kNoPart);
    EXPECT_EQ(house.people.last, "ann+x@example.org");
    EXPECT_EQ(house.people.asked, 1);
  }));
}

TEST(AccountBackends, AnswersAreKeptForTheirTime) {
  HouseWorld w;
  w.backend_options.cache = seconds(100);
  w.backend_options.negative_cache = seconds(10);
  w.backend_options.entries_max = 2;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {};
    for (int i = 0; i < 3; ++i) {
      co_await house.Find("bob@example.org");
      co_await house.Find("nobody@example.org");
    }
    EXPECT_EQ(house.people.asked, 2);
    co_await io::SleepUntil(io::Now() + seconds(11));
    co_await house.Find("bob@example.org");
    EXPECT_EQ(house.people.asked, 2);
    co_await house.Find("nobody@example.org");
    EXPECT_EQ(house.people.asked, 3);
    (void)co_await house.backends.Find("bob@example.org", BackendFreshness::kAskAgain);
    EXPECT_EQ(house.people.asked, 4);
    // Of a third the oldest makes room.
    co_await house.Find("other@example.org");
    co_await house.Find("nobody@example.org");
    EXPECT_EQ(house.people.asked, 6);
    co_await io::SleepUntil(io::Now() + seconds(101));
    co_await house.Find("bob@example.org");
    EXPECT_EQ(house.people.asked, 7);
  }));
}

TEST(AccountBackends, AnAccountThatIsDeletedIsMadeAgainFromWhatIsKept) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {};
    co_await house.Find("bob@example.org");
    const uint64_t id = house.Account("bob@example.org")->id;
    storage::DirectoryTransaction transaction;
    transaction.changes.push_back(storage::DirectoryChange::Erase(
        "bob@example.org", storage::DirectoryChange::Expect::kPresent));
    EXPECT_TRUE((co_await house.directory.Apply(std::move(transaction))).ok());
    EXPECT_EQ(co_await house.Find("bob@example.org"), Finding::kFound);
    EXPECT_NE(house.Account("bob@example.org")->id, id);
    EXPECT_EQ(house.people.asked, 1);
  }));
}

Task<void> FindOne(House* house, std::string address, Finding* found) {
  *found = co_await house->Find(std::move(address));
}

TEST(AccountBackends, QuestionsThatAreTheSameAreOne) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {};
    house.people.takes = milliseconds(100);
    std::vector<Finding> found(20, Finding::kNoPart);
    io::Gate gate;
    for (Finding& one : found) gate.Spawn(FindOne(&house, "bob@example.org", &one));
    co_await gate.Close();
    EXPECT_EQ(found, std::vector<Finding>(20, Finding::kFound));
    EXPECT_EQ(house.people.asked, 1);
  }));
}

TEST(AccountBackends, OneThatNeverAnswersHoldsNobodyBeyondTheDeadlineNorTheServer) {
  HouseWorld w;
  w.backend_options.questions_max = 3;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.silent = true;
    const MonotonicTime began = io::Now();
    EXPECT_EQ((co_await house.backends.FindRecipient("bob", "example.org")).kind,
              Recipient::kUnavailable);
    EXPECT_GE(io::Now() - began, seconds(3));
    EXPECT_LE(io::Now() - began, milliseconds(3010));
    EXPECT_EQ(co_await house.LogIn("ann@example.org", "x"), "unavailable");
    EXPECT_EQ(co_await house.Find("cid@example.org"), Finding::kUnavailable);
    // As many questions are open as may be: nobody waits for the next.
    const MonotonicTime then = io::Now();
    EXPECT_EQ(co_await house.Find("dan@example.org"), Finding::kUnavailable);
    EXPECT_EQ(io::Now(), then);
    EXPECT_EQ(house.people.asked, 3);
    house.people.silent = false;
    house.people.Cancel();
    co_await io::SleepUntil(io::Now() + milliseconds(10));
    house.people.people["dan@example.org"] = {};
    EXPECT_EQ(co_await house.Find("dan@example.org"), Finding::kFound);
    house.people.silent = true;
    EXPECT_EQ(co_await house.Find("eve@example.org"), Finding::kUnavailable);
    // Stop finds one open.
  }));
}

TEST(AccountBackends, OneThatIsAwayIsNotRememberedAsNobody) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil"};
    house.people.away = true;
    EXPECT_EQ((co_await house.backends.FindRecipient("bob", "example.org")).kind,
              Recipient::kUnavailable);
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "unavailable");
    house.people.away = false;
    EXPECT_EQ((co_await house.backends.FindRecipient("bob", "example.org")).kind,
              Recipient::kNoPart);
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
  }));
}

TEST(AccountBackends, WhoIsGivenUpGetsNoMailAndKeepsWhatThereIs) {
  HouseWorld w;
  w.backend_options.cache = seconds(0);
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    EXPECT_TRUE(co_await house.Put(
        storage::AliasEntry{.address = "@example.org", .targets = {"x@elsewhere.example"}}));
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil"};
    co_await house.Find("bob@example.org");
    house.people.people.clear();
    for (const std::string_view name : {"bob", "bob+x", "BOB"}) {
      EXPECT_EQ((co_await house.backends.FindRecipient(std::string(name), "example.org")).kind,
                Recipient::kUnknown)
          << name;
    }
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "refused");
    EXPECT_TRUE(house.Account("bob@example.org").has_value());
    // The catch-all is for those who were never here.
    EXPECT_EQ((co_await house.backends.FindRecipient("new", "example.org")).kind,
              Recipient::kNoPart);
  }));
}

TEST(AccountBackends, MailIsSentOnWhereTheBackendSaysSoWithoutALoop) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {};
    house.people.people["gone@example.org"] = {.enabled = false};
    house.people.people["copy@example.org"] = {
        .forward = {"copy@example.org", "bob@example.org", "x@elsewhere.example"}};
    house.people.people["a@example.org"] = {.forward = {"b@example.org"}};
    house.people.people["b@example.org"] = {.forward = {"a@example.org", "bob@example.org"}};
    EXPECT_TRUE(co_await house.Put(storage::AliasEntry{
        .address = "all@example.org",
        .targets = {"copy@example.org", "a@example.org", "nobody@example.org"}}));
    BackendRecipient all = co_await house.backends.FindRecipient("all", "example.org");
    EXPECT_EQ(all.kind, Recipient::kTargets);
    std::sort(all.targets.begin(), all.targets.end());
    all.targets.erase(std::unique(all.targets.begin(), all.targets.end()), all.targets.end());
    EXPECT_EQ(all.targets, (std::vector<std::string>{"bob@example.org", "copy@example.org",
                                                     "x@elsewhere.example"}));
    EXPECT_EQ(all.nowhere, (std::vector<std::string>{"nobody@example.org"}));
    EXPECT_EQ((co_await house.backends.FindRecipient("gone", "example.org")).kind,
              Recipient::kDisabled);
    house.people.away = true;
    EXPECT_TRUE(co_await house.Put(storage::AliasEntry{
        .address = "more@example.org", .targets = {"bob@example.org", "later@example.org"}}));
    EXPECT_EQ((co_await house.backends.FindRecipient("more", "example.org")).kind,
              Recipient::kUnavailable);
  }));
}

TEST(AccountBackends, PasswordsThatTheBackendChecksAreKeptAsAHashWhereTheyWereRight) {
  HouseWorld w;
  w.backend_options.password_cache = seconds(20);
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.verify = true};
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
    EXPECT_EQ(house.people.verified, 1);
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "wrong"), "refused");
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "wrong"), "refused");
    EXPECT_EQ(house.people.verified, 3);
    co_await io::SleepUntil(io::Now() + seconds(20));
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
    EXPECT_EQ(house.people.verified, 4);
    house.people.silent = true;
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "another"), "unavailable");
  }));
}

TEST(AccountBackends, ANewPasswordCountsThoughTheOldOneIsKept) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil"};
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
    house.people.people["bob@example.org"] = {.password = "{PLAIN}graphite"};
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "graphite"), "bob@example.org");
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "refused");
  }));
}

TEST(AccountBackends, TheirHashesAreNotReplacedAndAppPasswordsAreOurs) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil"};
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil"), "bob@example.org");
    co_await io::SleepUntil(io::Now() + seconds(1));
    EXPECT_TRUE(house.Account("bob@example.org")->credentials.empty());
    auto entry = *house.Account("bob@example.org");
    entry.credentials = {{storage::CredentialKind::kAppPassword, "phone", "{PLAIN}phone", {}},
                         {storage::CredentialKind::kPassword, "", "{PLAIN}own", {}}};
    EXPECT_TRUE(co_await house.Put(entry));
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "phone"), "bob@example.org");
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "own"), "refused");
  }));
}

TEST(AccountBackends, WhoMayComeFromSomeNetworksOnlyIsRefusedElsewhere) {
  HouseWorld w;
  ASSERT_TRUE(w.Do([](House& house) -> Task<void> {
    house.people.people["bob@example.org"] = {.password = "{PLAIN}pencil",
                                              .restricted = true,
                                              .networks = {*IpNetwork::Parse("192.0.2.0/24")}};
    house.people.people["off@example.org"] = {.password = "{PLAIN}pencil", .enabled = false};
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil", kStrange), "bob@example.org");
    EXPECT_EQ(co_await house.LogIn("bob@example.org", "pencil", kHome), "refused");
    EXPECT_EQ(co_await house.LogIn("off@example.org", "pencil"), "refused");
  }));
}

}  // namespace
}  // namespace ringmail::agent
